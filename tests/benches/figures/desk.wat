;; The three tools of desk.star by hand: what an expert writes for the same tables, types and memory layout. The bench puts the data
;; segment of the compiled suite in front (header at 1024, directory at 1088, rows in canonical layout), so that both start from the
;; same bytes, and appends it to this text. 256 to 1023 is free for the messages below.
;;
;; ticket, table 1: id 0, title 8, requester 16, status 24 (u8), cost 32, opened 40; 48 bytes.
;; line of a page: id 0, title 8, requester 16, status 24 (u8), opened 28; 32 bytes.
(module
  ;; heap pointer 1028, call mark 1032, journal 1036, its length 1040 and capacity 1044; tickets: slots 1120, live rows 1124.
  (func $alloc (param $size i32) (param $align i32) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at
      (i32.and
        (i32.add (i32.load (i32.const 1028)) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
      (then
        (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))
          (then unreachable))))
    (i32.store (i32.const 1028) (local.get $end))
    (local.get $at))

  (func $begin
    (if (i32.eqz (i32.load (i32.const 1032)))
      (then (i32.store (i32.const 1032) (i32.load (i32.const 1028))))))

  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (call $begin)
    (call $alloc (local.get $size) (local.get $align)))

  (func $post (param i32)
    (if (i32.load (i32.const 1032))
      (then
        (i32.store (i32.const 1028) (i32.load (i32.const 1032)))
        (i32.store (i32.const 1032) (i32.const 0)))))
  (export "cabi_post_terrarium:tickets/tools#find-tickets" (func $post))
  (export "cabi_post_terrarium:tickets/tools#get-ticket" (func $post))
  (export "cabi_post_terrarium:tickets/tools#set-status" (func $post))

  ;; `error {code, message}` with its payload at $payload of the result area.
  (func $error (param $payload i32) (param $code i32) (param $code_length i32) (param $message i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 1152) (i32.const 1))
    (i32.store offset=1152 (local.get $payload) (local.get $code))
    (i32.store offset=1156 (local.get $payload) (local.get $code_length))
    (i32.store offset=1160 (local.get $payload) (local.get $message))
    (i32.store offset=1164 (local.get $payload) (local.get $length))
    (i32.const 1152))

  (func $same (param $a i32) (param $b i32) (param $length i32) (result i32)
    (block $tail
      (loop $next
        (br_if $tail (i32.lt_u (local.get $length) (i32.const 8)))
        (if (i64.ne (i64.load align=1 (local.get $a)) (i64.load align=1 (local.get $b))) (then (return (i32.const 0))))
        (local.set $a (i32.add (local.get $a) (i32.const 8)))
        (local.set $b (i32.add (local.get $b) (i32.const 8)))
        (local.set $length (i32.sub (local.get $length) (i32.const 8)))
        (br $next)))
    (loop $next
      (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
      (if (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))) (then (return (i32.const 0))))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; The ticket with a key, or 0. Keys are `T-` and a number; ticket n stands in slot n - 1, as none is ever deleted.
  (func $find (param $key i32) (param $length i32) (result i32)
    (local $number i32) (local $at i32) (local $row i32)
    (local.set $at (i32.const 2))
    (block $parsed
      (loop $next
        (br_if $parsed (i32.ge_u (local.get $at) (local.get $length)))
        (local.set $number
          (i32.add
            (i32.mul (local.get $number) (i32.const 10))
            (i32.sub (i32.load8_u (i32.add (local.get $key) (local.get $at))) (i32.const 48))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.set $number (i32.sub (local.get $number) (i32.const 1)))
    (if (i32.ge_u (local.get $number) (i32.load (i32.const 1124))) (then (return (i32.const 0))))
    (local.set $row (i32.load (i32.add (i32.load (i32.const 1120)) (i32.shl (local.get $number) (i32.const 2)))))
    (if (i32.ne (i32.load offset=4 (local.get $row)) (local.get $length)) (then (return (i32.const 0))))
    (select (local.get $row) (i32.const 0) (call $same (i32.load (local.get $row)) (local.get $key) (local.get $length))))

  ;; "there is no ticket with id KEY".
  (func $missing (param $key i32) (param $length i32) (result i32)
    (local $message i32)
    (local.set $message (call $alloc (i32.add (local.get $length) (i32.const 26)) (i32.const 1)))
    (memory.copy (local.get $message) (i32.const 272) (i32.const 26))
    (memory.copy (i32.add (local.get $message) (i32.const 26)) (local.get $key) (local.get $length))
    (call $error (i32.const 8) (i32.const 256) (i32.const 9) (local.get $message) (i32.add (local.get $length) (i32.const 26))))

  (func $row (param $row i32) (result i32)
    (i32.store8 (i32.const 1152) (i32.const 0))
    (memory.copy (i32.const 1160) (local.get $row) (i32.const 48))
    (i32.const 1152))

  (func (export "terrarium:tickets/tools#get-ticket") (param $key i32) (param $length i32) (result i32)
    (local $ticket i32)
    (call $begin)
    (local.set $ticket (call $find (local.get $key) (local.get $length)))
    (if (i32.eqz (local.get $ticket)) (then (return (call $missing (local.get $key) (local.get $length)))))
    (call $row (local.get $ticket)))

  (func (export "terrarium:tickets/tools#set-status") (param $key i32) (param $length i32) (param $status i32) (result i32)
    (local $ticket i32) (local $entry i32) (local $journal i32) (local $entries i32)
    (call $begin)
    (local.set $ticket (call $find (local.get $key) (local.get $length)))
    (if (i32.eqz (local.get $ticket)) (then (return (call $missing (local.get $key) (local.get $length)))))
    (if (i32.eq (i32.load8_u offset=24 (local.get $ticket)) (local.get $status))
      (then (return (call $error (i32.const 8) (i32.const 304) (i32.const 9) (i32.const 320) (i32.const 25)))))
    (local.set $entries (i32.load (i32.const 1040)))
    (if (i32.eq (local.get $entries) (i32.load (i32.const 1044)))
      (then
        (local.set $journal (call $alloc (i32.mul (local.get $entries) (i32.const 80)) (i32.const 8)))
        (memory.copy (local.get $journal) (i32.load (i32.const 1036)) (i32.mul (local.get $entries) (i32.const 40)))
        (i32.store (i32.const 1036) (local.get $journal))
        (i32.store (i32.const 1044) (i32.shl (local.get $entries) (i32.const 1)))))
    (local.set $entry (i32.add (i32.load (i32.const 1036)) (i32.mul (local.get $entries) (i32.const 40))))
    (i32.store (local.get $entry) (i32.const 2))
    (i32.store offset=4 (local.get $entry) (i32.const 1))
    (i32.store offset=8 (local.get $entry) (local.get $ticket))
    (i32.store offset=12 (local.get $entry) (i32.const 3))
    (i64.store offset=16 (local.get $entry) (i64.load8_u offset=24 (local.get $ticket)))
    (i64.store offset=24 (local.get $entry) (i64.const 0))
    (i64.store offset=32 (local.get $entry) (i64.load32_u (i32.sub (local.get $ticket) (i32.const 4))))
    (i32.store (i32.const 1040) (i32.add (local.get $entries) (i32.const 1)))
    (i32.store8 offset=24 (local.get $ticket) (local.get $status))
    ;; What a writing call allocated is kept.
    (i32.store (i32.const 1032) (i32.const 0))
    (call $row (local.get $ticket)))

  ;; Lower case of a letter's byte.
  (func $lower (param $byte i32) (result i32)
    (i32.xor (local.get $byte)
      (i32.shl (i32.lt_u (i32.sub (local.get $byte) (i32.const 65)) (i32.const 26)) (i32.const 5))))

  ;; Whether `part`, in lower case, occurs in `text` in any case.
  (func $contains (param $part i32) (param $part_length i32) (param $text i32) (param $length i32) (result i32)
    (local $at i32)
    (block $no
      (loop $start
        (br_if $no (i32.lt_u (local.get $length) (local.get $part_length)))
        (local.set $at (i32.const 0))
        (block $differs
          (loop $next
            (if (i32.eq (local.get $at) (local.get $part_length)) (then (return (i32.const 1))))
            (br_if $differs
              (i32.ne
                (call $lower (i32.load8_u (i32.add (local.get $text) (local.get $at))))
                (i32.load8_u (i32.add (local.get $part) (local.get $at)))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $next)))
        (local.set $text (i32.add (local.get $text) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $start)))
    (i32.const 0))

  (func (export "terrarium:tickets/tools#find-tickets")
    (param $by_title i32) (param $title i32) (param $title_length i32) (param $by_status i32) (param $status i32) (param $page i64) (result i32)
    (local $slot i32) (local $end i32) (local $ticket i32) (local $found i64) (local $first i64) (local $last i64)
    (local $line i32) (local $lines i32) (local $at i32)
    (call $begin)
    (if (i64.lt_s (local.get $page) (i64.const 1))
      (then (return (call $error (i32.const 4) (i32.const 352) (i32.const 8) (i32.const 368) (i32.const 25)))))
    (if (local.get $by_title)
      (then
        (loop $next
          (if (i32.lt_u (local.get $at) (local.get $title_length))
            (then
              (i32.store8 (i32.add (local.get $title) (local.get $at))
                (call $lower (i32.load8_u (i32.add (local.get $title) (local.get $at)))))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (br $next))))))
    (local.set $first (i64.mul (i64.sub (local.get $page) (i64.const 1)) (i64.const 20)))
    (local.set $last (i64.add (local.get $first) (i64.const 20)))
    (local.set $lines (call $alloc (i32.const 640) (i32.const 4)))
    (local.set $line (local.get $lines))
    (local.set $slot (i32.load (i32.const 1120)))
    (local.set $end (i32.add (local.get $slot) (i32.shl (i32.load (i32.const 1124)) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $slot) (local.get $end)))
        (local.set $ticket (i32.load (local.get $slot)))
        (local.set $slot (i32.add (local.get $slot) (i32.const 4)))
        (if (local.get $by_status)
          (then (br_if $next (i32.ne (i32.load8_u offset=24 (local.get $ticket)) (local.get $status)))))
        (if (local.get $by_title)
          (then
            (br_if $next
              (i32.eqz
                (call $contains
                  (local.get $title) (local.get $title_length)
                  (i32.load offset=8 (local.get $ticket)) (i32.load offset=12 (local.get $ticket)))))))
        (local.set $found (i64.add (local.get $found) (i64.const 1)))
        (br_if $done (i64.gt_s (local.get $found) (local.get $last)))
        (br_if $next (i64.le_s (local.get $found) (local.get $first)))
        (memory.copy (local.get $line) (local.get $ticket) (i32.const 28))
        (i32.store offset=28 (local.get $line) (i32.load offset=40 (local.get $ticket)))
        (local.set $line (i32.add (local.get $line) (i32.const 32)))
        (br $next)))
    (i32.store8 (i32.const 1152) (i32.const 0))
    (i32.store (i32.const 1156) (local.get $lines))
    (i32.store (i32.const 1160) (i32.shr_u (i32.sub (local.get $line) (local.get $lines)) (i32.const 5)))
    (i32.store8 (i32.const 1164) (i64.gt_s (local.get $found) (local.get $last)))
    (i32.const 1152))

