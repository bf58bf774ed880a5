;; Exports nothing that can be called.
(component
  (type $t (record (field "a" u32)))
  (instance $types (export "pair" (type $t)))
  (export "test:lib/types" (instance $types)))
