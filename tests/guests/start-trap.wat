;; Traps before anyone calls it.
(component
  (core module $m
    (func $start (unreachable))
    (start $start)
    (func (export "f")))
  (core instance $i (instantiate $m))
  (func (export "f") (canon lift (core func $i "f"))))
