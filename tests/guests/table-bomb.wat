;; Asks for a table of 100 million elements.
(component
  (core module $m
    (table 100000000 funcref)
    (func (export "f")))
  (core instance $i (instantiate $m))
  (func (export "f") (canon lift (core func $i "f"))))
