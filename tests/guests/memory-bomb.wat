;; Asks for 4 GiB at once.
(component
  (core module $m
    (memory 65536)
    (func (export "f")))
  (core instance $i (instantiate $m))
  (func (export "f") (canon lift (core func $i "f"))))
