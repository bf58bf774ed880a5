;; Run-time helpers of compiled suites, linked in front of the emitted functions under the same indexes.
;;
;; All state is in linear memory (no globals). Fixed addresses, shared with data.rs:
;;     16  error slot: code address, code length, message address, message length
;;     32  1 if this call moved the journal or a slot array
;;     64  built-in errors, 16 bytes each, in the form of the error slot (number 0 unused)
;;   1024  header: +4 heap pointer 1028, +8 call mark 1032, +12 journal address 1036, +16 length 1040, +20 capacity 1044,
;;         +32 today 1056, +36 journal length at call start 1060
;;   1088  directory, 32 bytes a table: +0 slots, +4 live rows, +8 slot capacity, +12 next key number, +16 rows ever,
;;         +24 address of the table's description: +0 key prefix address, +4 length, +8 key width,
;;         +12 columns (offset, size: 8 bytes each), +16 text "there is no ... with id " address, +20 length
;; A helper that can fail returns a status as its last result: 0, or 1 with the error slot filled.
;; Every loop runs over a string, a list, the rows of a table or the digits of a number.
(module
  (memory 1)

  ;; The one place where running out of memory ends: named, so that a trap's backtrace tells.
  (func $out_of_memory unreachable)

  ;; New memory on the heap. The content is whatever an earlier call left there.
  (func $alloc (param $size i32) (param $align i32) (result i32)
    (local $address i32) (local $end i64) (local $have i64)
    (local.set $address
      (i32.and
        (i32.add (i32.load (i32.const 1028)) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (local.set $end (i64.add (i64.extend_i32_u (local.get $address)) (i64.extend_i32_u (local.get $size))))
    (local.set $have (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))
    (if (i64.gt_u (local.get $end) (local.get $have))
      (then
        (if (i32.eq
              (memory.grow (i32.wrap_i64 (i64.shr_u
                (i64.add (i64.sub (local.get $end) (local.get $have)) (i64.const 65535)) (i64.const 16))))
              (i32.const -1))
          (then (call $out_of_memory)))))
    (i32.store (i32.const 1028) (i32.wrap_i64 (local.get $end)))
    (local.get $address))

  (func $cabi_realloc (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $address i32)
    (if (i32.eqz (i32.load (i32.const 1032)))
      (then (i32.store (i32.const 1032) (i32.load (i32.const 1028)))))
    (local.set $address (call $alloc (local.get $size) (local.get $align)))
    (if (local.get $old_size)
      (then
        (memory.copy (local.get $address) (local.get $old)
          (select (local.get $old_size) (local.get $size) (i32.lt_u (local.get $old_size) (local.get $size))))))
    (local.get $address))

  ;; --- the life of a call ---

  (func $begin
    (if (i32.eqz (i32.load (i32.const 1032)))
      (then (i32.store (i32.const 1032) (i32.load (i32.const 1028)))))
    (i32.store (i32.const 1060) (i32.load (i32.const 1040)))
    (i32.store (i32.const 32) (i32.const 0)))

  ;; Before the result leaves: memory of a call that wrote or moved anything is kept for good.
  (func $settle
    (if (i32.or
          (i32.load (i32.const 32))
          (i32.ne (i32.load (i32.const 1040)) (i32.load (i32.const 1060))))
      (then (i32.store (i32.const 1032) (i32.const 0)))))

  (func $post_return (param i32)
    (if (i32.load (i32.const 1032))
      (then
        (i32.store (i32.const 1028) (i32.load (i32.const 1032)))
        (i32.store (i32.const 1032) (i32.const 0)))))

  (func $fail (param $code i32) (param $code_length i32) (param $message i32) (param $message_length i32)
    (i32.store (i32.const 16) (local.get $code))
    (i32.store (i32.const 20) (local.get $code_length))
    (i32.store (i32.const 24) (local.get $message))
    (i32.store (i32.const 28) (local.get $message_length)))

  ;; Fills the error slot with a built-in error; always 1.
  (func $raise (param $number i32) (result i32)
    (local $from i32)
    (local.set $from (i32.add (i32.const 64) (i32.shl (local.get $number) (i32.const 4))))
    (i64.store (i32.const 16) (i64.load (local.get $from)))
    (i64.store (i32.const 24) (i64.load offset=8 (local.get $from)))
    (i32.const 1))

  ;; --- journal ---

  (func $directory (param $table i32) (result i32)
    (i32.add (i32.const 1088) (i32.shl (local.get $table) (i32.const 5))))

  (func $journal_push (param $op i32) (param $table i32) (param $row i32) (result i32)
    (local $length i32) (local $capacity i32) (local $base i32) (local $entry i32)
    (local.set $length (i32.load (i32.const 1040)))
    (local.set $capacity (i32.load (i32.const 1044)))
    (if (i32.eq (local.get $length) (local.get $capacity))
      (then
        (local.set $base (call $alloc (i32.mul (local.get $capacity) (i32.const 80)) (i32.const 8)))
        (memory.copy (local.get $base) (i32.load (i32.const 1036)) (i32.mul (local.get $capacity) (i32.const 40)))
        (i32.store (i32.const 1036) (local.get $base))
        (i32.store (i32.const 1044) (i32.shl (local.get $capacity) (i32.const 1)))
        (i32.store (i32.const 32) (i32.const 1))))
    (local.set $entry (i32.add (i32.load (i32.const 1036)) (i32.mul (local.get $length) (i32.const 40))))
    (i32.store (local.get $entry) (local.get $op))
    (i32.store offset=4 (local.get $entry) (local.get $table))
    (i32.store offset=8 (local.get $entry) (local.get $row))
    (i32.store offset=12 (local.get $entry) (i32.const 0))
    (i64.store offset=16 (local.get $entry) (i64.const 0))
    (i64.store offset=24 (local.get $entry) (i64.const 0))
    (i32.store offset=32 (local.get $entry) (i32.load (i32.sub (local.get $row) (i32.const 4))))
    (i32.store offset=36 (local.get $entry) (i32.const 0))
    (i32.store (i32.const 1040) (i32.add (local.get $length) (i32.const 1)))
    (local.get $entry))

  ;; Address of a column's (offset, size).
  (func $column (param $table i32) (param $column i32) (result i32)
    (i32.add
      (i32.load offset=12 (i32.load offset=24 (call $directory (local.get $table))))
      (i32.shl (local.get $column) (i32.const 3))))

  ;; Journals the value of a column that is about to change.
  (func $note_column (param $row i32) (param $table i32) (param $column i32)
    (local $entry i32) (local $about i32)
    (local.set $entry (call $journal_push (i32.const 2) (local.get $table) (local.get $row)))
    (i32.store offset=12 (local.get $entry) (local.get $column))
    (local.set $about (call $column (local.get $table) (local.get $column)))
    (memory.copy
      (i32.add (local.get $entry) (i32.const 16))
      (i32.add (local.get $row) (i32.load (local.get $about)))
      (i32.load offset=4 (local.get $about))))

  ;; Undoes, last first, every write since the call began.
  (func $rollback
    (local $length i32) (local $entry i32) (local $op i32) (local $row i32)
    (local $about i32) (local $directory i32) (local $count i32) (local $slot i32)
    (local.set $length (i32.load (i32.const 1040)))
    (loop $next
      (if (i32.gt_u (local.get $length) (i32.load (i32.const 1060)))
        (then
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (local.set $entry (i32.add (i32.load (i32.const 1036)) (i32.mul (local.get $length) (i32.const 40))))
          (local.set $op (i32.load (local.get $entry)))
          (local.set $row (i32.load offset=8 (local.get $entry)))
          (local.set $directory (call $directory (i32.load offset=4 (local.get $entry))))
          (local.set $count (i32.load offset=4 (local.get $directory)))
          (if (i32.eq (local.get $op) (i32.const 1))
            (then
              (i32.store offset=4 (local.get $directory) (i32.sub (local.get $count) (i32.const 1)))
              (i32.store offset=12 (local.get $directory)
                (i32.sub (i32.load offset=12 (local.get $directory)) (i32.const 1)))
              (i32.store offset=16 (local.get $directory)
                (i32.sub (i32.load offset=16 (local.get $directory)) (i32.const 1)))))
          (if (i32.eq (local.get $op) (i32.const 2))
            (then
              (local.set $about
                (call $column (i32.load offset=4 (local.get $entry)) (i32.load offset=12 (local.get $entry))))
              (memory.copy
                (i32.add (local.get $row) (i32.load (local.get $about)))
                (i32.add (local.get $entry) (i32.const 16))
                (i32.load offset=4 (local.get $about)))))
          (if (i32.eq (local.get $op) (i32.const 3))
            (then
              (local.set $slot
                (i32.add (i32.load (local.get $directory))
                  (i32.shl (i32.load offset=12 (local.get $entry)) (i32.const 2))))
              (memory.copy (i32.add (local.get $slot) (i32.const 4)) (local.get $slot)
                (i32.shl (i32.sub (local.get $count) (i32.load offset=12 (local.get $entry))) (i32.const 2)))
              (i32.store (local.get $slot) (local.get $row))
              (i32.store offset=4 (local.get $directory) (i32.add (local.get $count) (i32.const 1)))
              (i32.store (i32.sub (local.get $row) (i32.const 8)) (i32.load offset=4 (local.get $entry)))))
          (br $next))))
    (i32.store (i32.const 1040) (local.get $length)))

  ;; --- rows ---

  ;; Status of using a handle: `deleted_row` if its row is gone.
  (func $alive (param $row i32) (result i32)
    (if (result i32) (i32.lt_s (i32.load (i32.sub (local.get $row) (i32.const 8))) (i32.const 0))
      (then (call $raise (i32.const 4)))
      (else (i32.const 0))))

  ;; A zeroed row with its header, not yet part of the table.
  (func $row_new (param $table i32) (param $size i32) (result i32)
    (local $row i32)
    (local.set $row
      (i32.add (call $alloc (i32.add (local.get $size) (i32.const 8)) (i32.const 8)) (i32.const 8)))
    (memory.fill (local.get $row) (i32.const 0) (local.get $size))
    (i32.store (i32.sub (local.get $row) (i32.const 8)) (local.get $table))
    (i32.store (i32.sub (local.get $row) (i32.const 4)) (i32.load offset=16 (call $directory (local.get $table))))
    (local.get $row))

  ;; Appends a new row to its table and journals it.
  (func $row_link (param $table i32) (param $row i32)
    (local $directory i32) (local $count i32) (local $capacity i32) (local $slots i32)
    (local.set $directory (call $directory (local.get $table)))
    (local.set $count (i32.load offset=4 (local.get $directory)))
    (if (i32.eq (local.get $count) (i32.load offset=8 (local.get $directory)))
      (then
        (local.set $capacity (i32.add (i32.shl (local.get $count) (i32.const 1)) (i32.const 16)))
        (local.set $slots (call $alloc (i32.shl (local.get $capacity) (i32.const 2)) (i32.const 4)))
        (memory.copy (local.get $slots) (i32.load (local.get $directory)) (i32.shl (local.get $count) (i32.const 2)))
        (i32.store (local.get $directory) (local.get $slots))
        (i32.store offset=8 (local.get $directory) (local.get $capacity))
        (i32.store (i32.const 32) (i32.const 1))))
    (i32.store
      (i32.add (i32.load (local.get $directory)) (i32.shl (local.get $count) (i32.const 2)))
      (local.get $row))
    (i32.store offset=4 (local.get $directory) (i32.add (local.get $count) (i32.const 1)))
    (i32.store offset=12 (local.get $directory) (i32.add (i32.load offset=12 (local.get $directory)) (i32.const 1)))
    (i32.store offset=16 (local.get $directory) (i32.add (i32.load offset=16 (local.get $directory)) (i32.const 1)))
    (drop (call $journal_push (i32.const 1) (local.get $table) (local.get $row))))

  ;; First slot whose row number is at least `number`; slots are ascending by row number.
  (func $slot_of (param $directory i32) (param $number i32) (result i32)
    (local $low i32) (local $high i32) (local $middle i32)
    (local.set $high (i32.load offset=4 (local.get $directory)))
    (if (i32.lt_u (local.get $number) (local.get $high))
      (then (local.set $high (local.get $number)) (local.set $high (i32.add (local.get $high) (i32.const 1)))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $low) (local.get $high)))
        (local.set $middle (i32.shr_u (i32.add (local.get $low) (local.get $high)) (i32.const 1)))
        (if (i32.lt_u
              (i32.load (i32.sub
                (i32.load (i32.add (i32.load (local.get $directory)) (i32.shl (local.get $middle) (i32.const 2))))
                (i32.const 4)))
              (local.get $number))
          (then (local.set $low (i32.add (local.get $middle) (i32.const 1))))
          (else (local.set $high (local.get $middle))))
        (br $next)))
    (local.get $low))

  ;; Takes a live row out of its table and journals it.
  (func $row_delete (param $table i32) (param $row i32)
    (local $directory i32) (local $position i32) (local $count i32) (local $slot i32)
    (local.set $directory (call $directory (local.get $table)))
    (local.set $position
      (call $slot_of (local.get $directory) (i32.load (i32.sub (local.get $row) (i32.const 4)))))
    (i32.store offset=12
      (call $journal_push (i32.const 3) (local.get $table) (local.get $row))
      (local.get $position))
    (local.set $count (i32.sub (i32.load offset=4 (local.get $directory)) (i32.const 1)))
    (local.set $slot (i32.add (i32.load (local.get $directory)) (i32.shl (local.get $position) (i32.const 2))))
    (memory.copy (local.get $slot) (i32.add (local.get $slot) (i32.const 4))
      (i32.shl (i32.sub (local.get $count) (local.get $position)) (i32.const 2)))
    (i32.store offset=4 (local.get $directory) (local.get $count))
    (i32.store (i32.sub (local.get $row) (i32.const 8)) (i32.or (local.get $table) (i32.const 0x80000000))))

  ;; The row with a key, or 0. The number at a key's end is tried first as a hint (row `n - 1` of a fresh world has
  ;; key number `n`), then all rows.
  (func $find_row (param $table i32) (param $key i32) (param $length i32) (result i32)
    (local $directory i32) (local $number i32) (local $scale i32) (local $at i32) (local $digit i32)
    (local $row i32) (local $slot i32) (local $end i32)
    (local.set $directory (call $directory (local.get $table)))
    (local.set $scale (i32.const 1))
    (local.set $at (i32.add (local.get $key) (local.get $length)))
    (block $parsed
      (loop $next
        (br_if $parsed (i32.eq (local.get $at) (local.get $key)))
        (br_if $parsed (i32.eq (local.get $scale) (i32.const 1000000000)))
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (br_if $parsed (i32.gt_u (local.get $digit) (i32.const 9)))
        (local.set $number (i32.add (local.get $number) (i32.mul (local.get $digit) (local.get $scale))))
        (local.set $scale (i32.mul (local.get $scale) (i32.const 10)))
        (br $next)))
    (local.set $slot (i32.load (local.get $directory)))
    (local.set $end
      (i32.add (local.get $slot) (i32.shl (i32.load offset=4 (local.get $directory)) (i32.const 2))))
    (if (local.get $number)
      (then
        (local.set $at
          (i32.add (local.get $slot)
            (i32.shl
              (call $slot_of (local.get $directory) (i32.sub (local.get $number) (i32.const 1)))
              (i32.const 2))))
        (if (i32.lt_u (local.get $at) (local.get $end))
          (then
            (local.set $row (i32.load (local.get $at)))
            (if (call $text_equal
                  (i32.load (local.get $row)) (i32.load offset=4 (local.get $row))
                  (local.get $key) (local.get $length))
              (then (return (local.get $row))))))))
    (block $none
      (loop $next
        (br_if $none (i32.ge_u (local.get $slot) (local.get $end)))
        (local.set $row (i32.load (local.get $slot)))
        (if (i32.eq (i32.load offset=4 (local.get $row)) (local.get $length))
          (then
            (if (call $text_equal
                  (i32.load (local.get $row)) (local.get $length)
                  (local.get $key) (local.get $length))
              (then (return (local.get $row))))))
        (local.set $slot (i32.add (local.get $slot) (i32.const 4)))
        (br $next)))
    (i32.const 0))

  ;; The tool error `not_found`: "there is no ... with id KEY"; always 1.
  (func $missing (param $table i32) (param $key i32) (param $length i32) (result i32)
    (local $about i32) (local $message i32) (local $message_length i32)
    (local.set $about (i32.load offset=24 (call $directory (local.get $table))))
    (call $concat
      (i32.load offset=16 (local.get $about)) (i32.load offset=20 (local.get $about))
      (local.get $key) (local.get $length))
    (local.set $message_length)
    (local.set $message)
    (drop (call $raise (i32.const 9)))
    (i32.store (i32.const 24) (local.get $message))
    (i32.store (i32.const 28) (local.get $message_length))
    (i32.const 1))

  (func $get_row (param $table i32) (param $key i32) (param $length i32) (result i32 i32)
    (local $row i32)
    (local.set $row (call $find_row (local.get $table) (local.get $key) (local.get $length)))
    (local.get $row)
    (if (result i32) (local.get $row)
      (then (i32.const 0))
      (else (call $missing (local.get $table) (local.get $key) (local.get $length)))))

  ;; Whether a live row other than `except` of `table` holds `key` in the text column at `offset`.
  (func $column_holds
    (param $table i32) (param $offset i32) (param $optional i32) (param $key i32) (param $length i32)
    (param $except i32) (result i32)
    (local $directory i32) (local $slot i32) (local $end i32) (local $row i32)
    (local.set $directory (call $directory (local.get $table)))
    (local.set $slot (i32.load (local.get $directory)))
    (local.set $end
      (i32.add (local.get $slot) (i32.shl (i32.load offset=4 (local.get $directory)) (i32.const 2))))
    (loop $next
      (if (i32.lt_u (local.get $slot) (local.get $end))
        (then
          (local.set $row (i32.load (local.get $slot)))
          (local.set $slot (i32.add (local.get $slot) (i32.const 4)))
          (br_if $next (i32.eq (local.get $row) (local.get $except)))
          (local.set $row (i32.add (local.get $row) (local.get $offset)))
          (if (local.get $optional)
            (then
              (br_if $next (i32.eqz (i32.load8_u (local.get $row))))
              (local.set $row (i32.add (local.get $row) (i32.const 4)))))
          (br_if $next
            (i32.eqz (call $text_equal
              (i32.load (local.get $row)) (i32.load offset=4 (local.get $row))
              (local.get $key) (local.get $length))))
          (return (i32.const 1)))))
    (i32.const 0))

  ;; The text of a table's next key.
  (func $make_key (param $table i32) (result i32 i32)
    (local $directory i32) (local $about i32) (local $number i32) (local $digits i32) (local $rest i32)
    (local $key i32) (local $length i32) (local $at i32)
    (local.set $directory (call $directory (local.get $table)))
    (local.set $about (i32.load offset=24 (local.get $directory)))
    (local.set $number (i32.load offset=12 (local.get $directory)))
    (local.set $rest (local.get $number))
    (loop $count
      (local.set $digits (i32.add (local.get $digits) (i32.const 1)))
      (br_if $count (local.tee $rest (i32.div_u (local.get $rest) (i32.const 10)))))
    (if (i32.lt_u (local.get $digits) (i32.load offset=8 (local.get $about)))
      (then (local.set $digits (i32.load offset=8 (local.get $about)))))
    (local.set $length (i32.add (i32.load offset=4 (local.get $about)) (local.get $digits)))
    (local.set $key (call $alloc (local.get $length) (i32.const 1)))
    (memory.copy (local.get $key) (i32.load (local.get $about)) (i32.load offset=4 (local.get $about)))
    (local.set $at (i32.add (local.get $key) (local.get $length)))
    (loop $write
      (if (local.get $digits)
        (then
          (local.set $at (i32.sub (local.get $at) (i32.const 1)))
          (local.set $digits (i32.sub (local.get $digits) (i32.const 1)))
          (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
          (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
          (br $write))))
    (local.get $key)
    (local.get $length))

  ;; --- text ---

  (func $text_equal
    (param $a i32) (param $a_length i32) (param $b i32) (param $b_length i32) (result i32)
    (if (i32.ne (local.get $a_length) (local.get $b_length)) (then (return (i32.const 0))))
    (if (i32.eq (local.get $a) (local.get $b)) (then (return (i32.const 1))))
    (block $tail
      (loop $next
        (br_if $tail (i32.lt_u (local.get $a_length) (i32.const 8)))
        (if (i64.ne (i64.load align=1 (local.get $a)) (i64.load align=1 (local.get $b)))
          (then (return (i32.const 0))))
        (local.set $a (i32.add (local.get $a) (i32.const 8)))
        (local.set $b (i32.add (local.get $b) (i32.const 8)))
        (local.set $a_length (i32.sub (local.get $a_length) (i32.const 8)))
        (br $next)))
    (if (i32.and (local.get $a_length) (i32.const 4))
      (then
        (if (i32.ne (i32.load align=1 (local.get $a)) (i32.load align=1 (local.get $b)))
          (then (return (i32.const 0))))
        (local.set $a (i32.add (local.get $a) (i32.const 4)))
        (local.set $b (i32.add (local.get $b) (i32.const 4)))))
    (if (i32.and (local.get $a_length) (i32.const 2))
      (then
        (if (i32.ne (i32.load16_u align=1 (local.get $a)) (i32.load16_u align=1 (local.get $b)))
          (then (return (i32.const 0))))
        (local.set $a (i32.add (local.get $a) (i32.const 2)))
        (local.set $b (i32.add (local.get $b) (i32.const 2)))))
    (if (i32.and (local.get $a_length) (i32.const 1))
      (then (return (i32.eq (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))))))
    (i32.const 1))

  ;; -1, 0 or 1 by bytes.
  (func $text_compare
    (param $a i32) (param $a_length i32) (param $b i32) (param $b_length i32) (result i32)
    (local $left i32) (local $x i32) (local $y i32)
    (local.set $left
      (select (local.get $a_length) (local.get $b_length)
        (i32.lt_u (local.get $a_length) (local.get $b_length))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $x (i32.load8_u (local.get $a)))
        (local.set $y (i32.load8_u (local.get $b)))
        (if (i32.ne (local.get $x) (local.get $y))
          (then (return (select (i32.const -1) (i32.const 1) (i32.lt_u (local.get $x) (local.get $y))))))
        (local.set $a (i32.add (local.get $a) (i32.const 1)))
        (local.set $b (i32.add (local.get $b) (i32.const 1)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (i32.sub
      (i32.gt_u (local.get $a_length) (local.get $b_length))
      (i32.lt_u (local.get $a_length) (local.get $b_length))))

  (func $concat
    (param $a i32) (param $a_length i32) (param $b i32) (param $b_length i32) (result i32 i32)
    (local $text i32)
    (local.set $text (call $alloc (i32.add (local.get $a_length) (local.get $b_length)) (i32.const 1)))
    (memory.copy (local.get $text) (local.get $a) (local.get $a_length))
    (memory.copy (i32.add (local.get $text) (local.get $a_length)) (local.get $b) (local.get $b_length))
    (local.get $text)
    (i32.add (local.get $a_length) (local.get $b_length)))

  ;; Whether `part` occurs in `text`.
  (func $contains
    (param $part i32) (param $part_length i32) (param $text i32) (param $length i32) (result i32)
    (block $no
      (loop $next
        (br_if $no (i32.lt_u (local.get $length) (local.get $part_length)))
        (if (call $text_equal
              (local.get $part) (local.get $part_length) (local.get $text) (local.get $part_length))
          (then (return (i32.const 1))))
        (local.set $text (i32.add (local.get $text) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; `part.lower() in text.lower()` without copies: whether `part` occurs in `text`, ASCII letters of either case alike.
  (func $contains_folded
    (param $part i32) (param $part_length i32) (param $text i32) (param $length i32) (result i32)
    (local $first i32) (local $at i32) (local $last i32) (local $a i32) (local $b i32)
    (if (i32.eqz (local.get $part_length)) (then (return (i32.const 1))))
    (if (i32.lt_u (local.get $length) (local.get $part_length)) (then (return (i32.const 0))))
    (local.set $first (i32.load8_u (local.get $part)))
    (local.set $first
      (i32.xor (local.get $first)
        (i32.shl (i32.lt_u (i32.sub (local.get $first) (i32.const 65)) (i32.const 26)) (i32.const 5))))
    (local.set $last (i32.add (local.get $text) (i32.sub (local.get $length) (local.get $part_length))))
    (loop $start
      (local.set $a (i32.load8_u (local.get $text)))
      (local.set $at (i32.const 1))
      (if (i32.eq (local.get $first)
            (i32.xor (local.get $a)
              (i32.shl (i32.lt_u (i32.sub (local.get $a) (i32.const 65)) (i32.const 26)) (i32.const 5))))
        (then
          (loop $next
            (if (i32.eq (local.get $at) (local.get $part_length)) (then (return (i32.const 1))))
            (local.set $a (i32.load8_u (i32.add (local.get $text) (local.get $at))))
            (local.set $b (i32.load8_u (i32.add (local.get $part) (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $next
              (i32.eq
                (i32.xor (local.get $a)
                  (i32.shl (i32.lt_u (i32.sub (local.get $a) (i32.const 65)) (i32.const 26)) (i32.const 5)))
                (i32.xor (local.get $b)
                  (i32.shl (i32.lt_u (i32.sub (local.get $b) (i32.const 65)) (i32.const 26)) (i32.const 5))))))))
      (local.set $text (i32.add (local.get $text) (i32.const 1)))
      (br_if $start (i32.le_u (local.get $text) (local.get $last))))
    (i32.const 0))

  ;; Whether `text` starts (`end` 0) or ends (`end` 1) with `part`.
  (func $text_test
    (param $text i32) (param $length i32) (param $part i32) (param $part_length i32) (param $end i32)
    (result i32)
    (if (i32.lt_u (local.get $length) (local.get $part_length)) (then (return (i32.const 0))))
    (if (local.get $end)
      (then
        (local.set $text
          (i32.add (local.get $text) (i32.sub (local.get $length) (local.get $part_length))))))
    (call $text_equal (local.get $text) (local.get $part_length) (local.get $part) (local.get $part_length)))

  ;; A copy with the ASCII letters from `first` to `first + 25` moved by 32 (xor): lower or upper case.
  (func $fold (param $text i32) (param $length i32) (param $first i32) (result i32 i32)
    (local $to i32) (local $at i32) (local $byte i32)
    (local.set $to (call $alloc (local.get $length) (i32.const 1)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $length)))
        (local.set $byte (i32.load8_u (i32.add (local.get $text) (local.get $at))))
        (i32.store8
          (i32.add (local.get $to) (local.get $at))
          (i32.xor (local.get $byte)
            (i32.shl
              (i32.lt_u (i32.sub (local.get $byte) (local.get $first)) (i32.const 26))
              (i32.const 5))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $to)
    (local.get $length))

  ;; ASCII white space: space, tab, line feed, form feed, carriage return.
  (func $is_space (param $byte i32) (result i32)
    (i32.or
      (i32.eq (local.get $byte) (i32.const 32))
      (i32.and
        (i32.lt_u (i32.sub (local.get $byte) (i32.const 9)) (i32.const 5))
        (i32.ne (local.get $byte) (i32.const 11)))))

  (func $strip (param $text i32) (param $length i32) (result i32 i32)
    (call $left_strip (local.get $text) (local.get $length))
    (call $right_strip))

  (func $left_strip (param $text i32) (param $length i32) (result i32 i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (br_if $done (i32.eqz (call $is_space (i32.load8_u (local.get $text)))))
        (local.set $text (i32.add (local.get $text) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (local.get $text)
    (local.get $length))

  (func $right_strip (param $text i32) (param $length i32) (result i32 i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (br_if $done
          (i32.eqz (call $is_space
            (i32.load8_u (i32.sub (i32.add (local.get $text) (local.get $length)) (i32.const 1))))))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (local.get $text)
    (local.get $length))

  ;; The text without `part` at its start (`end` 0) or end (`end` 1), if it is there.
  (func $remove_affix
    (param $text i32) (param $length i32) (param $part i32) (param $part_length i32) (param $end i32)
    (result i32 i32)
    (if (i32.eqz (call $text_test
          (local.get $text) (local.get $length) (local.get $part) (local.get $part_length) (local.get $end)))
      (then (return (local.get $text) (local.get $length))))
    (if (i32.eqz (local.get $end))
      (then (local.set $text (i32.add (local.get $text) (local.get $part_length)))))
    (local.get $text)
    (i32.sub (local.get $length) (local.get $part_length)))

  ;; Byte offset of the first `part` in `text`, or -1.
  (func $position
    (param $text i32) (param $length i32) (param $part i32) (param $part_length i32) (result i32)
    (local $at i32)
    (block $no
      (loop $next
        (br_if $no (i32.gt_u (i32.add (local.get $at) (local.get $part_length)) (local.get $length)))
        (if (call $text_equal
              (local.get $part) (local.get $part_length)
              (i32.add (local.get $text) (local.get $at)) (local.get $part_length))
          (then (return (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.const -1))

  ;; The same in characters.
  (func $find
    (param $text i32) (param $length i32) (param $part i32) (param $part_length i32) (result i64)
    (local $at i32)
    (local.set $at
      (call $position (local.get $text) (local.get $length) (local.get $part) (local.get $part_length)))
    (if (i32.lt_s (local.get $at) (i32.const 0)) (then (return (i64.const -1))))
    (i64.extend_i32_u (call $characters (local.get $text) (local.get $at))))

  ;; Occurrences of `part` that do not overlap.
  (func $occurrences
    (param $text i32) (param $length i32) (param $part i32) (param $part_length i32) (result i32)
    (local $count i32) (local $at i32)
    (if (i32.eqz (local.get $part_length))
      (then (return (i32.add (call $characters (local.get $text) (local.get $length)) (i32.const 1)))))
    (block $done
      (loop $next
        (local.set $at
          (call $position (local.get $text) (local.get $length) (local.get $part) (local.get $part_length)))
        (br_if $done (i32.lt_s (local.get $at) (i32.const 0)))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $at (i32.add (local.get $at) (local.get $part_length)))
        (local.set $text (i32.add (local.get $text) (local.get $at)))
        (local.set $length (i32.sub (local.get $length) (local.get $at)))
        (br $next)))
    (local.get $count))

  ;; New memory of a size that may be too large for it.
  (func $alloc_large (param $size i64) (param $align i32) (result i32)
    (if (i64.gt_u (local.get $size) (i64.const 0x7fffffff)) (then (call $out_of_memory)))
    (call $alloc (i32.wrap_i64 (local.get $size)) (local.get $align)))

  (func $replace
    (param $text i32) (param $length i32) (param $old i32) (param $old_length i32)
    (param $new i32) (param $new_length i32) (result i32 i32)
    (local $to i32) (local $out i32) (local $at i32) (local $count i32)
    (if (i32.eqz (local.get $old_length)) (then (return (local.get $text) (local.get $length))))
    (local.set $count
      (call $occurrences (local.get $text) (local.get $length) (local.get $old) (local.get $old_length)))
    (local.set $to (call $alloc_large
      (i64.add
        (i64.extend_i32_u (i32.sub (local.get $length) (i32.mul (local.get $count) (local.get $old_length))))
        (i64.mul (i64.extend_i32_u (local.get $count)) (i64.extend_i32_u (local.get $new_length))))
      (i32.const 1)))
    (local.set $out (local.get $to))
    (loop $next
      (if (local.get $count)
        (then
          (local.set $at
            (call $position (local.get $text) (local.get $length) (local.get $old) (local.get $old_length)))
          (memory.copy (local.get $out) (local.get $text) (local.get $at))
          (local.set $out (i32.add (local.get $out) (local.get $at)))
          (memory.copy (local.get $out) (local.get $new) (local.get $new_length))
          (local.set $out (i32.add (local.get $out) (local.get $new_length)))
          (local.set $at (i32.add (local.get $at) (local.get $old_length)))
          (local.set $text (i32.add (local.get $text) (local.get $at)))
          (local.set $length (i32.sub (local.get $length) (local.get $at)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next))))
    (memory.copy (local.get $out) (local.get $text) (local.get $length))
    (local.get $to)
    (i32.sub (i32.add (local.get $out) (local.get $length)) (local.get $to)))

  ;; The parts of `text` between occurrences of `part`, in the memory of the text.
  (func $split
    (param $text i32) (param $length i32) (param $part i32) (param $part_length i32) (result i32 i32 i32)
    (local $list i32) (local $count i32) (local $out i32) (local $at i32)
    (if (i32.eqz (local.get $part_length)) (then (return (i32.const 0) (i32.const 0) (call $raise (i32.const 10)))))
    (local.set $count
      (i32.add (i32.const 1)
        (call $occurrences (local.get $text) (local.get $length) (local.get $part) (local.get $part_length))))
    (local.set $list (call $alloc_large (i64.shl (i64.extend_i32_u (local.get $count)) (i64.const 3)) (i32.const 4)))
    (local.set $out (local.get $list))
    (block $done
      (loop $next
        (local.set $at
          (call $position (local.get $text) (local.get $length) (local.get $part) (local.get $part_length)))
        (i32.store (local.get $out) (local.get $text))
        (i32.store offset=4 (local.get $out)
          (select (local.get $length) (local.get $at) (i32.lt_s (local.get $at) (i32.const 0))))
        (br_if $done (i32.lt_s (local.get $at) (i32.const 0)))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (local.set $at (i32.add (local.get $at) (local.get $part_length)))
        (local.set $text (i32.add (local.get $text) (local.get $at)))
        (local.set $length (i32.sub (local.get $length) (local.get $at)))
        (br $next)))
    (local.get $list)
    (local.get $count)
    (i32.const 0))

  ;; The first word of a text: where it starts, its length, and how many bytes of the text are left behind it.
  (func $word (param $text i32) (param $length i32) (result i32 i32 i32)
    (local $at i32)
    (call $left_strip (local.get $text) (local.get $length))
    (local.set $length)
    (local.set $text)
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $length)))
        (br_if $done (call $is_space (i32.load8_u (i32.add (local.get $text) (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $text)
    (local.get $at)
    (i32.sub (local.get $length) (local.get $at)))

  ;; The words of a text. Each takes a byte and, but for the last, a space: so many there are at most.
  (func $words (param $text i32) (param $length i32) (result i32 i32)
    (local $list i32) (local $count i32) (local $word i32) (local $size i32)
    (local.set $list (call $alloc_large
      (i64.shl (i64.extend_i32_u (i32.add (i32.shr_u (local.get $length) (i32.const 1)) (i32.const 1))) (i64.const 3))
      (i32.const 4)))
    (block $done
      (loop $next
        (call $word (local.get $text) (local.get $length))
        (local.set $length)
        (local.set $size)
        (local.set $word)
        (br_if $done (i32.eqz (local.get $size)))
        (i32.store (i32.add (local.get $list) (i32.shl (local.get $count) (i32.const 3))) (local.get $word))
        (i32.store offset=4 (i32.add (local.get $list) (i32.shl (local.get $count) (i32.const 3))) (local.get $size))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $text (i32.add (local.get $word) (local.get $size)))
        (br $next)))
    (local.get $list)
    (local.get $count))

  ;; The texts of a list with `part` between them.
  (func $join
    (param $part i32) (param $part_length i32) (param $list i32) (param $count i32) (result i32 i32)
    (local $size i64) (local $left i32) (local $to i32) (local $out i32)
    (if (i32.eqz (local.get $count)) (then (return (i32.const 0) (i32.const 0))))
    (local.set $size (i64.mul
      (i64.extend_i32_u (local.get $part_length)) (i64.extend_i32_u (i32.sub (local.get $count) (i32.const 1)))))
    (local.set $left (local.get $count))
    (local.set $out (local.get $list))
    (loop $next
      (local.set $size (i64.add (local.get $size) (i64.load32_u offset=4 (local.get $out))))
      (local.set $out (i32.add (local.get $out) (i32.const 8)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.set $to (call $alloc_large (local.get $size) (i32.const 1)))
    (local.set $out (local.get $to))
    (loop $next
      (memory.copy (local.get $out) (i32.load (local.get $list)) (i32.load offset=4 (local.get $list)))
      (local.set $out (i32.add (local.get $out) (i32.load offset=4 (local.get $list))))
      (local.set $list (i32.add (local.get $list) (i32.const 8)))
      (if (local.tee $count (i32.sub (local.get $count) (i32.const 1)))
        (then
          (memory.copy (local.get $out) (local.get $part) (local.get $part_length))
          (local.set $out (i32.add (local.get $out) (local.get $part_length)))
          (br $next))))
    (local.get $to)
    (i32.wrap_i64 (local.get $size)))

  (func $is_lower (param $byte i32) (result i32)
    (i32.lt_u (i32.sub (local.get $byte) (i32.const 97)) (i32.const 26)))

  (func $is_upper (param $byte i32) (result i32)
    (i32.lt_u (i32.sub (local.get $byte) (i32.const 65)) (i32.const 26)))

  (func $lower_byte (param $byte i32) (result i32)
    (i32.or (local.get $byte) (i32.shl (call $is_upper (local.get $byte)) (i32.const 5))))

  ;; A copy in which letters are upper case at the start of the text (`words` 0) or of each word (`words` 1), the others
  ;; lower case. A word goes on through letters and through everything beyond ASCII.
  (func $title (param $text i32) (param $length i32) (param $words i32) (result i32 i32)
    (local $to i32) (local $at i32) (local $byte i32) (local $inside i32)
    (local.set $to (call $alloc (local.get $length) (i32.const 1)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $length)))
        (local.set $byte (call $lower_byte (i32.load8_u (i32.add (local.get $text) (local.get $at)))))
        (i32.store8 (i32.add (local.get $to) (local.get $at))
          (i32.sub (local.get $byte)
            (i32.shl (i32.and (call $is_lower (local.get $byte)) (i32.eqz (local.get $inside))) (i32.const 5))))
        (local.set $inside
          (i32.or
            (i32.eqz (local.get $words))
            (i32.or (call $is_lower (local.get $byte)) (i32.ge_u (local.get $byte) (i32.const 128)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $to)
    (local.get $length))

  ;; The text with `missing` characters up to a width in front (`left` 1) or behind; `fill` is one character.
  (func $pad
    (param $text i32) (param $length i32) (param $width i64) (param $fill i32) (param $fill_length i32)
    (param $left i32) (result i32 i32)
    (local $missing i64) (local $to i32) (local $out i32)
    (local.set $missing (i64.sub (local.get $width)
      (i64.extend_i32_u (call $characters (local.get $text) (local.get $length)))))
    (if (i64.le_s (local.get $missing) (i64.const 0)) (then (return (local.get $text) (local.get $length))))
    (local.set $to (call $alloc_large
      (i64.add (i64.extend_i32_u (local.get $length))
        (i64.mul (local.get $missing) (i64.extend_i32_u (local.get $fill_length))))
      (i32.const 1)))
    (local.set $out (local.get $to))
    (if (i32.eqz (local.get $left))
      (then
        (memory.copy (local.get $out) (local.get $text) (local.get $length))
        (local.set $out (i32.add (local.get $out) (local.get $length)))))
    (loop $next
      (memory.copy (local.get $out) (local.get $fill) (local.get $fill_length))
      (local.set $out (i32.add (local.get $out) (local.get $fill_length)))
      (br_if $next (i64.ne (local.tee $missing (i64.sub (local.get $missing) (i64.const 1))) (i64.const 0))))
    (if (local.get $left)
      (then
        (memory.copy (local.get $out) (local.get $text) (local.get $length))
        (local.set $out (i32.add (local.get $out) (local.get $length)))))
    (local.get $to)
    (i32.sub (local.get $out) (local.get $to)))

  ;; The text with zeros after its sign up to a width.
  (func $zero_fill (param $text i32) (param $length i32) (param $width i64) (result i32 i32)
    (local $missing i64) (local $to i32) (local $sign i32)
    (local.set $missing (i64.sub (local.get $width)
      (i64.extend_i32_u (call $characters (local.get $text) (local.get $length)))))
    (if (i64.le_s (local.get $missing) (i64.const 0)) (then (return (local.get $text) (local.get $length))))
    (if (local.get $length)
      (then
        (local.set $sign (i32.or
          (i32.eq (i32.load8_u (local.get $text)) (i32.const 43))
          (i32.eq (i32.load8_u (local.get $text)) (i32.const 45))))))
    (local.set $to (call $alloc_large
      (i64.add (i64.extend_i32_u (local.get $length)) (local.get $missing)) (i32.const 1)))
    (memory.copy (local.get $to) (local.get $text) (local.get $sign))
    (memory.fill (i32.add (local.get $to) (local.get $sign)) (i32.const 48) (i32.wrap_i64 (local.get $missing)))
    (memory.copy
      (i32.add (i32.add (local.get $to) (local.get $sign)) (i32.wrap_i64 (local.get $missing)))
      (i32.add (local.get $text) (local.get $sign))
      (i32.sub (local.get $length) (local.get $sign)))
    (local.get $to)
    (i32.add (local.get $length) (i32.wrap_i64 (local.get $missing))))

  ;; Whether a text has characters and all are digits (1), letters (2), either (3) or white space (4); or it has letters
  ;; and all are upper (5) or lower case (6).
  (func $text_class (param $text i32) (param $length i32) (param $class i32) (result i32)
    (local $byte i32) (local $kind i32) (local $letters i32)
    (if (i32.eqz (local.get $length)) (then (return (i32.const 0))))
    (loop $next
      (local.set $byte (i32.load8_u (local.get $text)))
      (if (i32.le_u (local.get $class) (i32.const 3))
        (then
          (local.set $kind
            (i32.or
              (i32.lt_u (i32.sub (local.get $byte) (i32.const 48)) (i32.const 10))
              (i32.shl (call $is_lower (call $lower_byte (local.get $byte))) (i32.const 1))))
          (if (i32.eqz (i32.and (local.get $kind) (local.get $class))) (then (return (i32.const 0))))))
      (if (i32.eq (local.get $class) (i32.const 4))
        (then (if (i32.eqz (call $is_space (local.get $byte))) (then (return (i32.const 0))))))
      (if (i32.ge_u (local.get $class) (i32.const 5))
        (then
          (if (select (call $is_lower (local.get $byte)) (call $is_upper (local.get $byte))
                (i32.eq (local.get $class) (i32.const 5)))
            (then (return (i32.const 0))))
          (local.set $letters
            (i32.or (local.get $letters) (call $is_lower (call $lower_byte (local.get $byte)))))))
      (local.set $text (i32.add (local.get $text) (i32.const 1)))
      (br_if $next (local.tee $length (i32.sub (local.get $length) (i32.const 1)))))
    (i32.or (i32.lt_u (local.get $class) (i32.const 5)) (local.get $letters)))

  ;; Whether every word of `query` occurs in `text`, upper or lower case.
  (func $matches
    (param $text i32) (param $length i32) (param $query i32) (param $query_length i32) (result i32)
    (local $word i32) (local $size i32)
    (loop $next
      (call $word (local.get $query) (local.get $query_length))
      (local.set $query_length)
      (local.set $size)
      (local.set $word)
      (if (i32.eqz (local.get $size)) (then (return (i32.const 1))))
      (if (i32.eqz (call $contains_folded
            (local.get $word) (local.get $size) (local.get $text) (local.get $length)))
        (then (return (i32.const 0))))
      (local.set $query (i32.add (local.get $word) (local.get $size)))
      (br $next))
    (unreachable))

  ;; The characters `from` to `to` of a text that has so many.
  (func $text_slice (param $text i32) (param $length i32) (param $from i32) (param $to i32) (result i32 i32)
    (local $start i32)
    (local.set $start (call $offset_of (local.get $text) (local.get $length) (local.get $from)))
    (i32.add (local.get $text) (local.get $start))
    (i32.sub (call $offset_of (local.get $text) (local.get $length) (local.get $to)) (local.get $start)))

  ;; Byte offset of a character, or the length for the one behind the last.
  (func $offset_of (param $text i32) (param $length i32) (param $number i32) (result i32)
    (local $at i32)
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $length)))
        (if (i32.ne
              (i32.and (i32.load8_u (i32.add (local.get $text) (local.get $at))) (i32.const 0xc0)) (i32.const 0x80))
          (then
            (br_if $done (i32.eqz (local.get $number)))
            (local.set $number (i32.sub (local.get $number) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $at))

  ;; Number of characters of UTF-8 text: bytes that do not continue one.
  (func $characters (param $text i32) (param $length i32) (result i32)
    (local $count i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $count
          (i32.add (local.get $count)
            (i32.ne (i32.and (i32.load8_u (local.get $text)) (i32.const 0xc0)) (i32.const 0x80))))
        (local.set $text (i32.add (local.get $text) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (local.get $count))

  ;; Writes the decimal digits of an unsigned number so that they end before `end`; where they start.
  (func $digits (param $value i64) (param $end i32) (result i32)
    (loop $next
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (i32.store8 (local.get $end)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
      (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
      (br_if $next (i64.ne (local.get $value) (i64.const 0))))
    (local.get $end))

  ;; Exactly two digits at `at`.
  (func $two_digits (param $value i32) (param $at i32)
    (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.div_u (local.get $value) (i32.const 10))))
    (i32.store8 offset=1 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10)))))

  (func $magnitude (param $value i64) (result i64)
    (select
      (i64.sub (i64.const 0) (local.get $value)) (local.get $value)
      (i64.lt_s (local.get $value) (i64.const 0))))

  ;; The text from `start` to `end`, with a minus in front if `value` is negative (there is room for it).
  (func $signed (param $value i64) (param $start i32) (param $end i32) (result i32 i32)
    (if (i64.lt_s (local.get $value) (i64.const 0))
      (then
        (local.set $start (i32.sub (local.get $start) (i32.const 1)))
        (i32.store8 (local.get $start) (i32.const 45))))
    (local.get $start)
    (i32.sub (local.get $end) (local.get $start)))

  (func $int_text (param $value i64) (result i32 i32)
    (local $end i32)
    (local.set $end (i32.add (call $alloc (i32.const 20) (i32.const 1)) (i32.const 20)))
    (call $signed (local.get $value) (call $digits (call $magnitude (local.get $value)) (local.get $end)) (local.get $end)))

  ;; Cents as `12.50`.
  (func $money_text (param $value i64) (result i32 i32)
    (local $end i32) (local $size i64)
    (local.set $end (i32.add (call $alloc (i32.const 21) (i32.const 1)) (i32.const 21)))
    (local.set $size (call $magnitude (local.get $value)))
    (call $two_digits
      (i32.wrap_i64 (i64.rem_u (local.get $size) (i64.const 100)))
      (i32.sub (local.get $end) (i32.const 2)))
    (i32.store8 (i32.sub (local.get $end) (i32.const 3)) (i32.const 46))
    (call $signed
      (local.get $value)
      (call $digits (i64.div_u (local.get $size) (i64.const 100)) (i32.sub (local.get $end) (i32.const 3)))
      (local.get $end)))

  ;; --- dates ---

  ;; Year, month and day of a day number in range (civil-from-days in the proleptic Gregorian calendar).
  (func $civil (param $days i32) (result i32 i32 i32)
    (local $era i32) (local $of_era i32) (local $year i32) (local $of_year i32) (local $month i32)
    ;; Days since 0000-03-01; never negative in range.
    (local.set $days (i32.add (local.get $days) (i32.const 719468)))
    (local.set $era (i32.div_u (local.get $days) (i32.const 146097)))
    (local.set $of_era (i32.rem_u (local.get $days) (i32.const 146097)))
    (local.set $year
      (i32.div_u
        (i32.sub
          (i32.sub
            (i32.add (local.get $of_era) (i32.div_u (local.get $of_era) (i32.const 36524)))
            (i32.div_u (local.get $of_era) (i32.const 1460)))
          (i32.div_u (local.get $of_era) (i32.const 146096)))
        (i32.const 365)))
    (local.set $of_year
      (i32.sub (local.get $of_era)
        (i32.sub
          (i32.add (i32.mul (local.get $year) (i32.const 365)) (i32.div_u (local.get $year) (i32.const 4)))
          (i32.div_u (local.get $year) (i32.const 100)))))
    ;; Months counted from March.
    (local.set $month
      (i32.div_u (i32.add (i32.mul (local.get $of_year) (i32.const 5)) (i32.const 2)) (i32.const 153)))
    (i32.add
      (i32.add (local.get $year) (i32.mul (local.get $era) (i32.const 400)))
      (i32.ge_u (local.get $month) (i32.const 10)))
    (i32.add
      (local.get $month)
      (select (i32.const 3) (i32.const -9) (i32.lt_u (local.get $month) (i32.const 10))))
    (i32.add
      (i32.sub (local.get $of_year)
        (i32.div_u (i32.add (i32.mul (local.get $month) (i32.const 153)) (i32.const 2)) (i32.const 5)))
      (i32.const 1)))

  ;; The year (0), month (1), day of the month (2), days of its month (3) or weekday (4, Monday 0) of a day number.
  (func $date_part (param $days i32) (param $part i32) (result i64)
    (local $year i32) (local $month i32) (local $day i32)
    ;; 0001-01-01 is a Monday.
    (if (i32.eq (local.get $part) (i32.const 4))
      (then (return (i64.extend_i32_u
        (i32.rem_u (i32.add (local.get $days) (i32.const 719162)) (i32.const 7))))))
    (call $civil (local.get $days))
    (local.set $day)
    (local.set $month)
    (local.set $year)
    (if (i32.eqz (local.get $part)) (then (return (i64.extend_i32_u (local.get $year)))))
    (if (i32.eq (local.get $part) (i32.const 1)) (then (return (i64.extend_i32_u (local.get $month)))))
    (if (i32.eq (local.get $part) (i32.const 2)) (then (return (i64.extend_i32_u (local.get $day)))))
    (i64.extend_i32_u (call $month_days (local.get $year) (local.get $month))))

  (func $month_days (param $year i32) (param $month i32) (result i32)
    (if (i32.ne (local.get $month) (i32.const 2))
      (then (return (i32.add (i32.const 30)
        (i32.and
          (i32.add (local.get $month) (i32.shr_u (local.get $month) (i32.const 3)))
          (i32.const 1))))))
    (i32.add (i32.const 28)
      (i32.and
        (i32.eqz (i32.rem_u (local.get $year) (i32.const 4)))
        (i32.or
          (i32.ne (i32.rem_u (local.get $year) (i32.const 100)) (i32.const 0))
          (i32.eqz (i32.rem_u (local.get $year) (i32.const 400)))))))

  ;; The day number of a day of the calendar.
  (func $days_of (param $year i32) (param $month i32) (param $day i32) (result i32)
    (local $of_era i32)
    (local.set $year (i32.sub (local.get $year) (i32.le_u (local.get $month) (i32.const 2))))
    (local.set $of_era (i32.rem_u (local.get $year) (i32.const 400)))
    (i32.add
      (i32.add
        (i32.mul (i32.div_u (local.get $year) (i32.const 400)) (i32.const 146097))
        (i32.sub
          (i32.add (i32.mul (local.get $of_era) (i32.const 365)) (i32.div_u (local.get $of_era) (i32.const 4)))
          (i32.div_u (local.get $of_era) (i32.const 100))))
      (i32.sub
        (i32.add
          (i32.div_u
            (i32.add
              (i32.mul (i32.rem_u (i32.add (local.get $month) (i32.const 9)) (i32.const 12)) (i32.const 153))
              (i32.const 2))
            (i32.const 5))
          (local.get $day))
        (i32.const 719469))))

  ;; The same day `n` months later, or the last of that month.
  (func $add_months (param $days i32) (param $n i64) (result i32 i32)
    (local $year i32) (local $month i32) (local $day i32)
    (call $civil (local.get $days))
    (local.set $day)
    (local.set $month)
    (local.set $year)
    (local.set $n
      (i64.add (local.get $n)
        (i64.extend_i32_s (i32.add (i32.mul (local.get $year) (i32.const 12))
          (i32.sub (local.get $month) (i32.const 1))))))
    ;; Years 1 to 9999; a sum that wrapped is outside too.
    (if (i64.ge_u (i64.sub (local.get $n) (i64.const 12)) (i64.const 119988))
      (then (return (i32.const 0) (call $raise (i32.const 3)))))
    (local.set $year (i32.div_u (i32.wrap_i64 (local.get $n)) (i32.const 12)))
    (local.set $month (i32.add (i32.rem_u (i32.wrap_i64 (local.get $n)) (i32.const 12)) (i32.const 1)))
    (call $days_of (local.get $year) (local.get $month)
      (call $least (local.get $day) (call $month_days (local.get $year) (local.get $month))))
    (i32.const 0))

  ;; The day number of year, month, day, or `bad_date`.
  (func $make_date (param $year i64) (param $month i64) (param $day i64) (result i32 i32)
    (if (i32.and
          (i64.lt_u (i64.sub (local.get $year) (i64.const 1)) (i64.const 9999))
          (i64.lt_u (i64.sub (local.get $month) (i64.const 1)) (i64.const 12)))
      (then
        (if (i64.lt_u
              (i64.sub (local.get $day) (i64.const 1))
              (i64.extend_i32_u (call $month_days
                (i32.wrap_i64 (local.get $year)) (i32.wrap_i64 (local.get $month)))))
          (then
            (return
              (call $days_of
                (i32.wrap_i64 (local.get $year)) (i32.wrap_i64 (local.get $month)) (i32.wrap_i64 (local.get $day)))
              (i32.const 0))))))
    (i32.const 0)
    (call $raise (i32.const 3)))

  ;; Days since 1970-01-01 as `2026-03-01`.
  (func $date_text (param $days i32) (result i32 i32)
    (local $at i32) (local $year i32)
    (local.set $at (call $alloc (i32.const 10) (i32.const 1)))
    (call $civil (local.get $days))
    (call $two_digits (i32.add (local.get $at) (i32.const 8)))
    (call $two_digits (i32.add (local.get $at) (i32.const 5)))
    (local.set $year)
    (call $two_digits (i32.div_u (local.get $year) (i32.const 100)) (local.get $at))
    (call $two_digits (i32.rem_u (local.get $year) (i32.const 100)) (i32.add (local.get $at) (i32.const 2)))
    (i32.store8 offset=4 (local.get $at) (i32.const 45))
    (i32.store8 offset=7 (local.get $at) (i32.const 45))
    (local.get $at)
    (i32.const 10))

  ;; --- checked arithmetic ---

  (func $add (param $a i64) (param $b i64) (result i64 i32)
    (local $sum i64)
    (local.set $sum (i64.add (local.get $a) (local.get $b)))
    (local.get $sum)
    (if (result i32)
      (i64.lt_s
        (i64.and (i64.xor (local.get $a) (local.get $sum)) (i64.xor (local.get $b) (local.get $sum)))
        (i64.const 0))
      (then (call $raise (i32.const 1)))
      (else (i32.const 0))))

  (func $subtract (param $a i64) (param $b i64) (result i64 i32)
    (local $difference i64)
    (local.set $difference (i64.sub (local.get $a) (local.get $b)))
    (local.get $difference)
    (if (result i32)
      (i64.lt_s
        (i64.and (i64.xor (local.get $a) (local.get $b)) (i64.xor (local.get $a) (local.get $difference)))
        (i64.const 0))
      (then (call $raise (i32.const 1)))
      (else (i32.const 0))))

  (func $multiply (param $a i64) (param $b i64) (result i64 i32)
    (local $product i64)
    ;; Two 32-bit numbers cannot overflow.
    (if (i32.and
          (i64.eq (local.get $a) (i64.extend32_s (local.get $a)))
          (i64.eq (local.get $b) (i64.extend32_s (local.get $b))))
      (then (return (i64.mul (local.get $a) (local.get $b)) (i32.const 0))))
    (if (i64.eqz (local.get $a)) (then (return (i64.const 0) (i32.const 0))))
    (if (i64.eq (local.get $a) (i64.const -1))
      (then (return (call $subtract (i64.const 0) (local.get $b)))))
    (local.set $product (i64.mul (local.get $a) (local.get $b)))
    (local.get $product)
    (if (result i32) (i64.eq (i64.div_s (local.get $product) (local.get $a)) (local.get $b))
      (then (i32.const 0))
      (else (call $raise (i32.const 1)))))

  ;; Quotient rounded towards minus infinity.
  (func $floor_divide (param $a i64) (param $b i64) (result i64 i32)
    (local $quotient i64)
    (if (i64.eqz (local.get $b)) (then (return (i64.const 0) (call $raise (i32.const 2)))))
    (if (i64.eq (local.get $b) (i64.const -1))
      (then (return (call $subtract (i64.const 0) (local.get $a)))))
    (local.set $quotient (i64.div_s (local.get $a) (local.get $b)))
    (if (i32.and
          (i64.lt_s (i64.xor (local.get $a) (local.get $b)) (i64.const 0))
          (i64.ne (i64.mul (local.get $quotient) (local.get $b)) (local.get $a)))
      (then (local.set $quotient (i64.sub (local.get $quotient) (i64.const 1)))))
    (local.get $quotient)
    (i32.const 0))

  ;; Remainder with the sign of the divisor.
  (func $modulo (param $a i64) (param $b i64) (result i64 i32)
    (local $rest i64)
    (if (i64.eqz (local.get $b)) (then (return (i64.const 0) (call $raise (i32.const 2)))))
    (local.set $rest (i64.rem_s (local.get $a) (local.get $b)))
    (if (i32.and
          (i64.ne (local.get $rest) (i64.const 0))
          (i64.lt_s (i64.xor (local.get $rest) (local.get $b)) (i64.const 0)))
      (then (local.set $rest (i64.add (local.get $rest) (local.get $b)))))
    (local.get $rest)
    (i32.const 0))

  ;; value * percent / 100, half away from zero; the product must fit 64 bits.
  (func $percent (param $value i64) (param $percent i64) (result i64 i32)
    (local $rest i64)
    (call $multiply (local.get $value) (local.get $percent))
    (if (then (return (i64.const 0) (i32.const 1))))
    (local.set $value)
    (local.set $rest (i64.rem_s (local.get $value) (i64.const 100)))
    (local.set $value (i64.div_s (local.get $value) (i64.const 100)))
    (i64.add
      (local.get $value)
      (i64.sub
        (i64.extend_i32_u (i64.ge_s (local.get $rest) (i64.const 50)))
        (i64.extend_i32_u (i64.le_s (local.get $rest) (i64.const -50)))))
    (i32.const 0))

  (func $float_divide (param $a f64) (param $b f64) (result f64 i32)
    (if (f64.eq (local.get $b) (f64.const 0)) (then (return (f64.const 0) (call $raise (i32.const 2)))))
    (f64.div (local.get $a) (local.get $b))
    (i32.const 0))

  (func $absolute (param $value i64) (result i64 i32)
    (if (i64.ge_s (local.get $value) (i64.const 0)) (then (return (local.get $value) (i32.const 0))))
    (call $subtract (i64.const 0) (local.get $value)))

  ;; The integer that a text spells, or `bad_number`.
  (func $parse_int (param $text i32) (param $length i32) (result i64 i32)
    (local $value i64) (local $status i32) (local $digit i32) (local $minus i32)
    (if (local.get $length)
      (then
        (local.set $minus (i32.eq (i32.load8_u (local.get $text)) (i32.const 45)))
        (if (i32.or (local.get $minus) (i32.eq (i32.load8_u (local.get $text)) (i32.const 43)))
          (then
            (local.set $text (i32.add (local.get $text) (i32.const 1)))
            (local.set $length (i32.sub (local.get $length) (i32.const 1)))))))
    (if (i32.eqz (call $text_class (local.get $text) (local.get $length) (i32.const 1)))
      (then (return (i64.const 0) (call $raise (i32.const 11)))))
    ;; Towards minus, whose range is the larger.
    (loop $next
      (local.set $digit (i32.sub (i32.load8_u (local.get $text)) (i32.const 48)))
      (call $multiply (local.get $value) (i64.const 10))
      (local.set $status)
      (local.set $value)
      (if (local.get $status) (then (return (i64.const 0) (i32.const 1))))
      (call $subtract (local.get $value) (i64.extend_i32_u (local.get $digit)))
      (local.set $status)
      (local.set $value)
      (if (local.get $status) (then (return (i64.const 0) (i32.const 1))))
      (local.set $text (i32.add (local.get $text) (i32.const 1)))
      (br_if $next (local.tee $length (i32.sub (local.get $length) (i32.const 1)))))
    (if (local.get $minus) (then (return (local.get $value) (i32.const 0))))
    (call $subtract (i64.const 0) (local.get $value)))

  ;; A float as an integer, towards zero, or `overflow`.
  (func $truncate (param $value f64) (result i64 i32)
    (if (i32.and
          (f64.ge (local.get $value) (f64.const -9223372036854775808))
          (f64.lt (local.get $value) (f64.const 9223372036854775808)))
      (then (return (i64.trunc_f64_s (local.get $value)) (i32.const 0))))
    (i64.const 0)
    (call $raise (i32.const 1)))

  ;; `value * scale`, rounded half away from zero, as an integer.
  (func $scaled (param $value f64) (param $scale f64) (result i64 i32)
    (local $whole f64)
    (local.set $value (f64.mul (local.get $value) (local.get $scale)))
    (local.set $whole (f64.trunc (local.get $value)))
    (if (f64.ge (f64.abs (f64.sub (local.get $value) (local.get $whole))) (f64.const 0.5))
      (then (local.set $whole (f64.add (local.get $whole) (f64.copysign (f64.const 1) (local.get $value))))))
    (call $truncate (local.get $whole)))

  ;; The text of a float with so many decimals; `scale` is 10 to their number.
  (func $fixed (param $value f64) (param $scale f64) (param $decimals i32) (result i32 i32 i32)
    (local $number i64) (local $status i32) (local $end i32) (local $size i64) (local $at i32)
    (call $scaled (local.get $value) (local.get $scale))
    (local.set $status)
    (local.set $number)
    (if (local.get $status) (then (return (i32.const 0) (i32.const 0) (i32.const 1))))
    (local.set $end (i32.add (call $alloc (i32.const 32) (i32.const 1)) (i32.const 32)))
    (local.set $size (call $magnitude (local.get $number)))
    (local.set $at (local.get $end))
    (if (local.get $decimals)
      (then
        (loop $next
          (local.set $at (i32.sub (local.get $at) (i32.const 1)))
          (i32.store8 (local.get $at)
            (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $size) (i64.const 10)))))
          (local.set $size (i64.div_u (local.get $size) (i64.const 10)))
          (br_if $next (local.tee $decimals (i32.sub (local.get $decimals) (i32.const 1)))))
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (i32.store8 (local.get $at) (i32.const 46))))
    (call $signed (local.get $number) (call $digits (local.get $size) (local.get $at)) (local.get $end))
    (i32.const 0))

  ;; The multiple of `step` nearest to `value`, half away from zero.
  (func $round_to_step (param $value i64) (param $step i64) (result i64 i32)
    (local $rest i64) (local $size i64)
    (if (i64.eqz (local.get $step)) (then (return (i64.const 0) (call $raise (i32.const 2)))))
    (local.set $step (call $magnitude (local.get $step)))
    ;; The magnitude of the least number does not fit; it divides nothing but itself.
    (if (i64.lt_s (local.get $step) (i64.const 0)) (then (return (i64.const 0) (call $raise (i32.const 1)))))
    (local.set $rest (i64.rem_s (local.get $value) (local.get $step)))
    (local.set $value (i64.sub (local.get $value) (local.get $rest)))
    (local.set $size (call $magnitude (local.get $rest)))
    (if (i64.lt_u (local.get $size) (i64.sub (local.get $step) (local.get $size)))
      (then (return (local.get $value) (i32.const 0))))
    (if (i64.lt_s (local.get $rest) (i64.const 0))
      (then (return (call $subtract (local.get $value) (local.get $step)))))
    (call $add (local.get $value) (local.get $step)))

  ;; Status of a day number: 0001-01-01 to 9999-12-31, or `bad_date`.
  (func $date_check (param $days i64) (result i32)
    (if (result i32)
      (i64.le_u (i64.add (local.get $days) (i64.const 719162)) (i64.const 3652058))
      (then (i32.const 0))
      (else (call $raise (i32.const 3)))))

  (func $date_add (param $date i32) (param $days i64) (result i32 i32)
    (local.set $days (i64.add (local.get $days) (i64.extend_i32_s (local.get $date))))
    (i32.wrap_i64 (local.get $days))
    (call $date_check (local.get $days)))

  (func $date_subtract (param $date i32) (param $days i64) (result i32 i32)
    (local.set $days (i64.sub (i64.extend_i32_s (local.get $date)) (local.get $days)))
    (i32.wrap_i64 (local.get $days))
    (call $date_check (local.get $days)))

  ;; --- lists ---

  ;; Room for more: a copy of the elements with capacity of at least 4 and twice the length.
  (func $list_grow (param $list i32) (param $length i32) (param $stride i32) (result i32 i32)
    (local $capacity i32) (local $bytes i64) (local $to i32)
    (local.set $capacity (i32.shl (local.get $length) (i32.const 1)))
    (if (i32.lt_u (local.get $capacity) (i32.const 4)) (then (local.set $capacity (i32.const 4))))
    (local.set $bytes
      (i64.mul (i64.extend_i32_u (local.get $capacity)) (i64.extend_i32_u (local.get $stride))))
    (if (i64.gt_u (local.get $bytes) (i64.const 0x7fffffff)) (then (call $out_of_memory)))
    (local.set $to (call $alloc (i32.wrap_i64 (local.get $bytes)) (i32.const 8)))
    (memory.copy (local.get $to) (local.get $list) (i32.mul (local.get $length) (local.get $stride)))
    (local.get $to)
    (local.get $capacity))

  ;; a + b of lists, one after the other in new memory: its address.
  (func $list_join
    (param $a i32) (param $a_length i32) (param $b i32) (param $b_length i32) (param $stride i32)
    (result i32 i32)
    (local $to i32)
    (local.set $to
      (call $alloc
        (i32.mul (i32.add (local.get $a_length) (local.get $b_length)) (local.get $stride)) (i32.const 8)))
    (memory.copy (local.get $to) (local.get $a) (i32.mul (local.get $a_length) (local.get $stride)))
    (memory.copy
      (i32.add (local.get $to) (i32.mul (local.get $a_length) (local.get $stride)))
      (local.get $b) (i32.mul (local.get $b_length) (local.get $stride)))
    (local.get $to)
    (i32.add (local.get $a_length) (local.get $b_length)))

  ;; A copy of the slot array of a table, for loops whose body may insert or delete.
  (func $snapshot (param $table i32) (result i32)
    (local $directory i32) (local $bytes i32) (local $to i32)
    (local.set $directory (call $directory (local.get $table)))
    (local.set $bytes (i32.shl (i32.load offset=4 (local.get $directory)) (i32.const 2)))
    (local.set $to (call $alloc (local.get $bytes) (i32.const 4)))
    (memory.copy (local.get $to) (i32.load (local.get $directory)) (local.get $bytes))
    (local.get $to))

  ;; Position of `list[index]`, counted from the end if negative.
  (func $index (param $index i64) (param $length i32) (result i32 i32)
    (if (i64.lt_s (local.get $index) (i64.const 0))
      (then (local.set $index (i64.add (local.get $index) (i64.extend_i32_u (local.get $length))))))
    (if (i64.ge_u (local.get $index) (i64.extend_i32_u (local.get $length)))
      (then (return (i32.const 0) (call $raise (i32.const 5)))))
    (i32.wrap_i64 (local.get $index))
    (i32.const 0))

  ;; A slice bound, counted from the end if negative, clamped to 0..length.
  (func $clamp (param $bound i64) (param $length i32) (result i32)
    (if (i64.lt_s (local.get $bound) (i64.const 0))
      (then (local.set $bound (i64.add (local.get $bound) (i64.extend_i32_u (local.get $length))))))
    (if (i64.lt_s (local.get $bound) (i64.const 0)) (then (return (i32.const 0))))
    (if (i64.gt_s (local.get $bound) (i64.extend_i32_u (local.get $length))) (then (return (local.get $length))))
    (i32.wrap_i64 (local.get $bound)))

  ;; The integers from `start` towards `stop` in steps that are not 0.
  (func $range (param $start i64) (param $stop i64) (param $step i64) (result i32 i32)
    (local $count i64) (local $list i32) (local $at i32)
    (if (i64.gt_s (local.get $step) (i64.const 0))
      (then
        (if (i64.lt_s (local.get $start) (local.get $stop))
          (then
            (local.set $count (i64.add (i64.const 1) (i64.div_u
              (i64.sub (i64.sub (local.get $stop) (local.get $start)) (i64.const 1)) (local.get $step)))))))
      (else
        (if (i64.gt_s (local.get $start) (local.get $stop))
          (then
            (local.set $count (i64.add (i64.const 1) (i64.div_u
              (i64.sub (i64.sub (local.get $start) (local.get $stop)) (i64.const 1))
              (i64.sub (i64.const 0) (local.get $step)))))))))
    (if (i64.gt_u (local.get $count) (i64.const 0x0fffffff)) (then (call $out_of_memory)))
    (local.set $list (call $alloc (i32.shl (i32.wrap_i64 (local.get $count)) (i32.const 3)) (i32.const 8)))
    (local.set $at (local.get $list))
    (local.get $list)
    (i32.wrap_i64 (local.get $count))
    (block $done
      (loop $next
        (br_if $done (i64.eqz (local.get $count)))
        (i64.store (local.get $at) (local.get $start))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (local.set $start (i64.add (local.get $start) (local.get $step)))
        (local.set $count (i64.sub (local.get $count) (i64.const 1)))
        (br $next))))

  ;; The elements of a list, last first, in new memory.
  (func $reversed (param $list i32) (param $count i32) (param $stride i32) (result i32 i32)
    (local $to i32) (local $at i32) (local $left i32)
    (local.set $to (call $alloc (i32.mul (local.get $count) (local.get $stride)) (i32.const 8)))
    (local.set $at (i32.add (local.get $to) (i32.mul (local.get $count) (local.get $stride))))
    (local.set $left (local.get $count))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $at (i32.sub (local.get $at) (local.get $stride)))
        (memory.copy (local.get $at) (local.get $list) (local.get $stride))
        (local.set $list (i32.add (local.get $list) (local.get $stride)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (local.get $to)
    (local.get $count))

  ;; The elements of lists (address, length: 8 bytes each) one after the other, in new memory.
  (func $flatten (param $lists i32) (param $count i32) (param $stride i32) (result i32 i32)
    (local $total i64) (local $to i32) (local $out i32) (local $at i32) (local $end i32)
    (local.set $end (i32.add (local.get $lists) (i32.shl (local.get $count) (i32.const 3))))
    (local.set $at (local.get $lists))
    (block $counted
      (loop $next
        (br_if $counted (i32.eq (local.get $at) (local.get $end)))
        (local.set $total (i64.add (local.get $total) (i64.load32_u offset=4 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next)))
    (local.set $to (call $alloc_large
      (i64.mul (local.get $total) (i64.extend_i32_u (local.get $stride))) (i32.const 8)))
    (local.set $out (local.get $to))
    (local.set $at (local.get $lists))
    (block $copied
      (loop $next
        (br_if $copied (i32.eq (local.get $at) (local.get $end)))
        (local.set $count (i32.mul (i32.load offset=4 (local.get $at)) (local.get $stride)))
        (memory.copy (local.get $out) (i32.load (local.get $at)) (local.get $count))
        (local.set $out (i32.add (local.get $out) (local.get $count)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next)))
    (local.get $to)
    (i32.wrap_i64 (local.get $total)))

  ;; Whether sort entry `b` must come before entry `a`. Kinds: 0 signed 64-bit keys, 1 texts, 2 texts descending.
  (func $sort_before (param $b i32) (param $a i32) (param $kind i32) (result i32)
    (local $order i32)
    (if (i32.eqz (local.get $kind))
      (then (return (i64.lt_s (i64.load (local.get $b)) (i64.load (local.get $a))))))
    (local.set $order
      (call $text_compare
        (i32.load (local.get $b)) (i32.load offset=4 (local.get $b))
        (i32.load (local.get $a)) (i32.load offset=4 (local.get $a))))
    (if (result i32) (i32.eq (local.get $kind) (i32.const 1))
      (then (i32.lt_s (local.get $order) (i32.const 0)))
      (else (i32.gt_s (local.get $order) (i32.const 0)))))

  ;; Stable bottom-up merge sort of 16-byte entries (+0 key, +8 index); where the sorted entries are.
  (func $sort (param $from i32) (param $count i32) (param $kind i32) (result i32)
    (local $to i32) (local $width i32) (local $end i32) (local $swap i32)
    (local $a i32) (local $a_end i32) (local $b i32) (local $b_end i32) (local $out i32) (local $take i32)
    (local.set $to (call $alloc (i32.shl (local.get $count) (i32.const 4)) (i32.const 8)))
    (local.set $end (i32.shl (local.get $count) (i32.const 4)))
    (local.set $width (i32.const 16))
    (block $sorted
      (loop $pass
        (br_if $sorted (i32.ge_u (local.get $width) (local.get $end)))
        (local.set $b_end (local.get $from))
        (local.set $out (local.get $to))
        (block $merged
          (loop $pair
            (local.set $a (local.get $b_end))
            (br_if $merged (i32.ge_u (local.get $a) (i32.add (local.get $from) (local.get $end))))
            (local.set $a_end (call $least
              (i32.add (local.get $a) (local.get $width)) (i32.add (local.get $from) (local.get $end))))
            (local.set $b (local.get $a_end))
            (local.set $b_end (call $least
              (i32.add (local.get $b) (local.get $width)) (i32.add (local.get $from) (local.get $end))))
            (loop $step
              (if (i32.or
                    (i32.lt_u (local.get $a) (local.get $a_end))
                    (i32.lt_u (local.get $b) (local.get $b_end)))
                (then
                  (if (i32.eq (local.get $a) (local.get $a_end))
                    (then (local.set $take (i32.const 1)))
                    (else
                      (if (i32.eq (local.get $b) (local.get $b_end))
                        (then (local.set $take (i32.const 0)))
                        (else
                          (local.set $take
                            (call $sort_before (local.get $b) (local.get $a) (local.get $kind)))))))
                  (if (local.get $take)
                    (then
                      (call $copy_entry (local.get $out) (local.get $b))
                      (local.set $b (i32.add (local.get $b) (i32.const 16))))
                    (else
                      (call $copy_entry (local.get $out) (local.get $a))
                      (local.set $a (i32.add (local.get $a) (i32.const 16)))))
                  (local.set $out (i32.add (local.get $out) (i32.const 16)))
                  (br $step))))
            (br $pair)))
        (local.set $swap (local.get $from))
        (local.set $from (local.get $to))
        (local.set $to (local.get $swap))
        (local.set $width (i32.shl (local.get $width) (i32.const 1)))
        (br $pass)))
    (local.get $from))

  (func $least (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.lt_u (local.get $a) (local.get $b))))

  (func $copy_entry (param $to i32) (param $from i32)
    (i64.store (local.get $to) (i64.load (local.get $from)))
    (i64.store offset=8 (local.get $to) (i64.load offset=8 (local.get $from))))

  ;; The elements of `list` in the order of sorted entries, in new memory.
  (func $gather (param $list i32) (param $entries i32) (param $count i32) (param $stride i32) (result i32)
    (local $to i32) (local $at i32)
    (local.set $to (call $alloc (i32.mul (local.get $count) (local.get $stride)) (i32.const 8)))
    (local.set $at (local.get $to))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (memory.copy (local.get $at)
          (i32.add (local.get $list) (i32.mul (i32.load offset=8 (local.get $entries)) (local.get $stride)))
          (local.get $stride))
        (local.set $at (i32.add (local.get $at) (local.get $stride)))
        (local.set $entries (i32.add (local.get $entries) (i32.const 16)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (local.get $to))

  ;; Signed 64-bit key with the order of a float; both zeros are equal.
  (func $float_key (param $value f64) (result i64)
    (local $bits i64)
    (local.set $bits (i64.reinterpret_f64 (f64.add (local.get $value) (f64.const 0))))
    (i64.xor (local.get $bits)
      (i64.shr_u (i64.shr_s (local.get $bits) (i64.const 63)) (i64.const 1))))
)
