// The shelves of a small store, in freestanding C: no library, no start-up code, no imports. The structs below have the canonical ABI's
// layout of the WIT records (clang's own for wasm32), so that a reply is a struct and an address. docs/components.md says more.

typedef __SIZE_TYPE__ size_t;
typedef unsigned char u8;
typedef __UINT32_TYPE__ u32;
typedef __INT64_TYPE__ s64;

#define EXPORT(name) __attribute__((export_name(name)))
#define TOOL(name) EXPORT("example:stock/tools#" name)
#define DONE(name) EXPORT("cabi_post_example:stock/tools#" name)

typedef struct { const u8 *at; size_t length; } text;

enum shelf { DRY, COLD, FROZEN };

typedef struct { text id, name; u8 shelf; u32 count; s64 cents; } item;
typedef struct { text id; u32 count; } line;
typedef struct { text code, message; } tool_error;

// result<T, tool-error>: a tag, then the payload of either case at the alignment of the larger.
typedef struct { u8 failed; union { struct { item *at; size_t length; } ok; tool_error error; }; } items_result;
typedef struct { u8 failed; union { item ok; tool_error error; }; } item_result;
typedef struct { u8 failed; union { s64 ok; tool_error error; }; } money_result;

// The state: rows, and the texts they own.
#define ITEMS_MAX 64
#define TEXTS_MAX 4096
static item items[ITEMS_MAX];
static size_t item_count;
static u8 texts[TEXTS_MAX];
static size_t text_bytes;

// Arguments and replies of one call; given back when the host has read the reply.
static u8 scratch[1 << 16] __attribute__((aligned(8)));
static size_t scratch_bytes;

static void copy(u8 *to, const u8 *from, size_t length) {
  for (size_t i = 0; i < length; i++) to[i] = from[i];
}

// The host calls this for every text and list that it passes. A null pointer has no meaning in the canonical ABI: trap.
EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  size_t start = (scratch_bytes + align - 1) & ~(align - 1);
  if (start > sizeof scratch || size > sizeof scratch - start) __builtin_trap();
  scratch_bytes = start + size;
  if (old) copy(scratch + start, old, old_size);
  return scratch + start;
}

static text literal(const char *words) {
  size_t length = 0;
  while (words[length]) length++;
  return (text){(const u8 *)words, length};
}

// A text that outlives the call.
static text keep(text t) {
  if (t.length > TEXTS_MAX - text_bytes) return (text){0, 0};
  copy(texts + text_bytes, t.at, t.length);
  text kept = {texts + text_bytes, t.length};
  text_bytes += t.length;
  return kept;
}

static text number_id(size_t number) {
  u8 digits[5] = {'I', '-', (u8)('0' + number / 100 % 10), (u8)('0' + number / 10 % 10), (u8)('0' + number % 10)};
  return keep((text){digits, sizeof digits});
}

static item *put(text name, u8 shelf, u32 count, s64 cents) {
  if (item_count == ITEMS_MAX) return 0;
  size_t before = text_bytes;
  text id = number_id(item_count + 1), kept = keep(name);
  if (!id.at || !kept.at) {
    text_bytes = before;
    return 0;
  }
  item *row = &items[item_count++];
  *row = (item){id, kept, shelf, count, cents};
  return row;
}

// What is there at the start. Called by every tool: a component has no start-up code that the host runs for it.
static void fill(void) {
  if (item_count) return;
  put(literal("Rice"), DRY, 40, 250);
  put(literal("Milk"), COLD, 12, 109);
  put(literal("Peas"), FROZEN, 3, 199);
}

static item *find(text id) {
  for (size_t i = 0; i < item_count; i++) {
    text known = items[i].id;
    size_t at = 0;
    while (at < known.length && at < id.length && known.at[at] == id.at[at]) at++;
    if (at == known.length && at == id.length) return &items[i];
  }
  return 0;
}

TOOL("list-items")
items_result *list_items(u32 given, u32 shelf) {
  static items_result reply;
  fill();
  item *found = cabi_realloc(0, 0, _Alignof(item), item_count * sizeof(item));
  size_t count = 0;
  for (size_t i = 0; i < item_count; i++)
    if (!given || items[i].shelf == shelf) found[count++] = items[i];
  reply.failed = 0;
  reply.ok.at = found;
  reply.ok.length = count;
  return &reply;
}

TOOL("receive")
item_result *receive(const u8 *name, size_t length, u32 shelf, u32 count, s64 cents) {
  static item_result reply;
  fill();
  item *row = 0;
  reply.failed = 1;
  if (length == 0) {
    reply.error = (tool_error){literal("bad_name"), literal("an item has a name")};
  } else if (cents < 0) {
    reply.error = (tool_error){literal("bad_price"), literal("a price is not negative")};
  } else if (!(row = put((text){name, length}, (u8)shelf, count, cents))) {
    reply.error = (tool_error){literal("store_full"), literal("there is no room for another item")};
  } else {
    reply.failed = 0;
    reply.ok = *row;
  }
  return &reply;
}

TOOL("pick")
money_result *pick(line *lines, size_t count) {
  static money_result reply;
  fill();
  reply.failed = 1;
  // First look whether all of it can be done: a tool that refuses has changed nothing. The same item may stand on several lines.
  s64 total = 0;
  for (size_t i = 0; i < count; i++) {
    item *row = find(lines[i].id);
    if (!row) {
      reply.error = (tool_error){literal("not_found"), literal("there is no item with this id")};
      return &reply;
    }
    s64 wanted = 0;
    for (size_t k = 0; k < count; k++)
      if (find(lines[k].id) == row) wanted += lines[k].count;
    if (wanted > row->count) {
      reply.error = (tool_error){literal("out_of_stock"), row->name};
      return &reply;
    }
    total += row->cents * lines[i].count;
  }
  for (size_t i = 0; i < count; i++) find(lines[i].id)->count -= lines[i].count;
  reply.failed = 0;
  reply.ok = total;
  return &reply;
}

DONE("list-items") void list_items_done(void *reply) { scratch_bytes = 0; (void)reply; }
DONE("receive") void receive_done(void *reply) { scratch_bytes = 0; (void)reply; }
DONE("pick") void pick_done(void *reply) { scratch_bytes = 0; (void)reply; }
