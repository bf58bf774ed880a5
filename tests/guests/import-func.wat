;; Wants a bare function of its host.
(component
  (import "host-log" (func (param "text" string)))
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func (export "f") (canon lift (core func $i "f"))))
