;; Imports an interface of types only, as components do whose exports use types of another interface.
(component
  (import "test:lib/types" (instance $types
    (type $t (record (field "a" u32)))
    (export "pair" (type (eq $t)))))
  (alias export $types "pair" (type $pair))
  (core module $m (func (export "f") (param i32) (result i32) local.get 0))
  (core instance $i (instantiate $m))
  (func $f (param "pair" $pair) (result $pair) (canon lift (core func $i "f")))
  (export "f" (func $f)))
