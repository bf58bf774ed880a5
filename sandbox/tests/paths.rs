//! Law: for any types and any values, the core path and the component path pass the same bits in and give the same text out, and what is
//! echoed is what was sent.

mod support;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use support::{both, call, component};
use terrarium_sandbox::{CallOutcome, Config, Sandbox};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, SizeAlign};

/// A WIT type.
#[derive(Clone, Debug)]
enum Ty {
    /// Keyword of a primitive.
    Primitive(&'static str),
    Money,
    Date,
    /// Number of names.
    Enum(usize),
    Flags(usize),
    Record(Vec<Ty>),
    Tuple(Vec<Ty>),
    Variant(Vec<Option<Ty>>),
    Option(Box<Ty>),
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
    List(Box<Ty>),
}

fn types() -> impl Strategy<Value = Ty> {
    let primitives = ["bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string"];
    let leaf = prop_oneof![
        6 => proptest::sample::select(primitives.to_vec()).prop_map(Ty::Primitive),
        1 => Just(Ty::Money),
        1 => Just(Ty::Date),
        1 => prop_oneof![1..5_usize, Just(256), Just(257)].prop_map(Ty::Enum),
        1 => prop_oneof![Just(1), Just(8), Just(9), Just(17), Just(32)].prop_map(Ty::Flags),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let some = prop::collection::vec(inner.clone(), 1..4);
        let maybe = prop::option::of(inner.clone());
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            some.clone().prop_map(Ty::Record),
            some.prop_map(Ty::Tuple),
            prop::collection::vec(maybe.clone(), 1..4).prop_map(Ty::Variant),
            boxed.clone().prop_map(Ty::Option),
            boxed.prop_map(Ty::List),
            (maybe.clone(), maybe).prop_map(|(ok, error)| Ty::Result(ok.map(Box::new), error.map(Box::new))),
        ]
    })
}

/// WIT text of a type; named types are appended to `definitions`.
fn wit(ty: &Ty, definitions: &mut Vec<String>) -> String {
    let define = |text: String, definitions: &mut Vec<String>| {
        let name = format!("t{}", definitions.len());
        definitions.push(text.replacen("NAME", &name, 1));
        name
    };
    let names = |n: usize| (0..n).map(|i| format!("n-{i}")).collect::<Vec<_>>().join(", ");
    match ty {
        Ty::Primitive(name) => (*name).to_owned(),
        Ty::Money => "money".to_owned(),
        Ty::Date => "date".to_owned(),
        Ty::Enum(n) => define(format!("enum NAME {{ {} }}", names(*n)), definitions),
        Ty::Flags(n) => define(format!("flags NAME {{ {} }}", names(*n)), definitions),
        Ty::Record(fields) => {
            let fields: Vec<_> =
                fields.iter().enumerate().map(|(i, f)| format!("f-{i}: {}", wit(f, definitions))).collect();
            define(format!("record NAME {{ {} }}", fields.join(", ")), definitions)
        }
        Ty::Variant(cases) => {
            let case = |(i, c): (usize, &Option<Ty>)| match c {
                Some(ty) => format!("c-{i}({})", wit(ty, definitions)),
                None => format!("c-{i}"),
            };
            let cases: Vec<_> = cases.iter().enumerate().map(case).collect();
            define(format!("variant NAME {{ {} }}", cases.join(", ")), definitions)
        }
        Ty::Tuple(items) => {
            format!("tuple<{}>", items.iter().map(|t| wit(t, definitions)).collect::<Vec<_>>().join(", "))
        }
        Ty::Option(inner) => format!("option<{}>", wit(inner, definitions)),
        Ty::List(inner) => format!("list<{}>", wit(inner, definitions)),
        Ty::Result(ok, error) => {
            let mut part = |p: &Option<Box<Ty>>| p.as_ref().map(|t| wit(t, definitions));
            match (part(ok), part(error)) {
                (None, None) => "result".to_owned(),
                (Some(ok), None) => format!("result<{ok}>"),
                (ok, Some(error)) => format!("result<{}, {error}>", ok.unwrap_or_else(|| "_".to_owned())),
            }
        }
    }
}

/// JSON values of a type, in the form in which they come back.
fn values(ty: &Ty) -> BoxedStrategy<Value> {
    fn integers<T: Into<i64> + Arbitrary + 'static>() -> BoxedStrategy<Value> {
        any::<T>().prop_map(|n| json!(n.into())).boxed()
    }
    let name = |n: usize| (0..n).prop_map(|i| format!("n_{i}"));
    let single = |key: String, value: Value| Value::Object(Map::from_iter([(key, value)]));
    match ty {
        Ty::Primitive("bool") => any::<bool>().prop_map(Value::from).boxed(),
        Ty::Primitive("s8") => integers::<i8>(),
        Ty::Primitive("u8") => integers::<u8>(),
        Ty::Primitive("s16") => integers::<i16>(),
        Ty::Primitive("u16") => integers::<u16>(),
        Ty::Primitive("s32") => integers::<i32>(),
        Ty::Primitive("u32") => integers::<u32>(),
        Ty::Primitive("s64") => integers::<i64>(),
        Ty::Primitive("u64") => any::<u64>().prop_map(Value::from).boxed(),
        // Multiples of a half are the same number in 32 bits.
        Ty::Primitive("f32") => (-1000_i32..1000).prop_map(|n| json!(f64::from(n) / 2.0)).boxed(),
        Ty::Primitive("f64") => any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::from).boxed(),
        Ty::Primitive("char") => any::<char>().prop_map(|c| Value::from(c.to_string())).boxed(),
        Ty::Primitive(_) => ".{0,12}".prop_map(Value::from).boxed(),
        Ty::Money => any::<i64>().prop_map(|c| json!(money(c))).boxed(),
        Ty::Date => {
            (1..=9999_u32, 1..=12_u32, 1..=28_u32).prop_map(|(y, m, d)| json!(format!("{y:04}-{m:02}-{d:02}"))).boxed()
        }
        Ty::Enum(n) => name(*n).prop_map(Value::from).boxed(),
        Ty::Flags(n) => {
            let set = proptest::sample::subsequence((0..*n).collect::<Vec<_>>(), 0..=*n);
            set.prop_map(|set| Value::from(set.iter().map(|i| format!("n_{i}")).collect::<Vec<_>>())).boxed()
        }
        Ty::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(values).collect();
            let named = |all: Vec<Value>| {
                all.into_iter().enumerate().map(|(i, v)| (format!("f_{i}"), v)).collect::<Map<_, _>>()
            };
            fields.prop_map(move |all| Value::Object(named(all))).boxed()
        }
        Ty::Tuple(items) => items.iter().map(values).collect::<Vec<_>>().prop_map(Value::from).boxed(),
        Ty::Variant(cases) => {
            let case = |(i, c): (usize, &Option<Ty>)| match c {
                Some(ty) => values(ty).prop_map(move |v| single(format!("c_{i}"), v)).boxed(),
                None => Just(Value::from(format!("c_{i}"))).boxed(),
            };
            proptest::strategy::Union::new(cases.iter().enumerate().map(case)).boxed()
        }
        Ty::Option(inner) => {
            let boxed = matches!(**inner, Ty::Option(_));
            let some = values(inner).prop_map(move |v| if boxed { single("some".to_owned(), v) } else { v });
            prop_oneof![1 => Just(Value::Null), 3 => some].boxed()
        }
        Ty::Result(ok, error) => {
            let part = |key: &'static str, p: &Option<Box<Ty>>| match p {
                Some(ty) => values(ty).prop_map(move |v| single(key.to_owned(), v)).boxed(),
                None => Just(single(key.to_owned(), Value::Null)).boxed(),
            };
            prop_oneof![part("ok", ok), part("error", error)].boxed()
        }
        Ty::List(inner) => prop::collection::vec(values(inner), 0..4).prop_map(Value::from).boxed(),
    }
}

fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// Parameters beyond the 16 core values that travel flat.
const PADS: usize = 17;

fn suite(ty: &Ty) -> String {
    let mut definitions = Vec::new();
    let t = wit(ty, &mut definitions);
    let pads: String = (0..PADS).fold(String::new(), |mut s, i| {
        let _ = write!(s, ", p{i}: u8");
        s
    });
    format!(
        "package terrarium:echo;
        interface tools {{
          record tool-error {{ code: string, message: string }}
          record money {{ cents: s64 }}
          record date {{ epoch-day: s32 }}
          {}
          listed: func(items: list<{t}>) -> result<list<{t}>, tool-error>;
          wide: func(item: {t}{pads}) -> result<{t}, tool-error>;
          failing: func(item: {t}{pads}) -> result<u8, {t}>;
          bits: func(item: {t}) -> result<list<u64>, tool-error>;
        }}
        world suite {{ export tools; }}",
        definitions.join("\n")
    )
}

/// Echoes by copying bytes; `bits` gives its core parameters back as they came.
fn guest(wit: &str) -> String {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("suite.wit", wit).expect("WIT");
    let world = resolve.select_world(&[package], Some("suite")).expect("world");
    let mut sizes = SizeAlign::default();
    sizes.fill(&resolve);
    let interface = resolve.worlds[world].exports.values().find_map(|item| match item {
        wit_parser::WorldItem::Interface { id, .. } => Some(&resolve.interfaces[*id]),
        _ => None,
    });
    let functions = &interface.expect("interface").functions;
    let item = functions["wide"].params[0].ty;
    let (size, align) = (sizes.size(&item).size_wasm32(), sizes.align(&item).align_wasm32());
    let payload = align.max(4);
    let failing_payload = align.max(1);
    let signature = resolve.wasm_signature(AbiVariant::GuestExport, &functions["bits"]);
    let mut bits = String::new();
    let mut parameters = String::new();
    for (i, ty) in signature.params.iter().enumerate() {
        let (name, widen) = match ty {
            WasmType::I64 | WasmType::PointerOrI64 => ("i64", ""),
            WasmType::F32 => ("f32", "i64.extend_i32_u i32.reinterpret_f32"),
            WasmType::F64 => ("f64", "i64.reinterpret_f64"),
            _ => ("i32", "i64.extend_i32_u"),
        };
        let _ = write!(parameters, " {name}");
        let value = widen.split_whitespace().rev().fold(format!("local.get {i}"), |v, w| format!("{v} {w}"));
        let _ = writeln!(bits, "i32.const {} {value} i64.store", 8192 + 8 * i);
    }
    format!(
        r#"(module
          (memory (export "memory") 8)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local i32)
            (local.set 4 (i32.and (i32.add (i32.load (i32.const 0)) (i32.add (i32.const 16383) (local.get 2))) (i32.sub (i32.const 0) (local.get 2))))
            (i32.store (i32.const 0) (i32.sub (i32.add (local.get 4) (local.get 3)) (i32.const 16384)))
            (if (i32.gt_u (i32.add (local.get 4) (local.get 3)) (i32.mul (memory.size) (i32.const 65536))) (then unreachable))
            (local.get 4))
          (func $post (param i32) (i32.store (i32.const 0) (i32.const 0)))
          (export "cabi_post_terrarium:echo/tools#listed" (func $post))
          (export "cabi_post_terrarium:echo/tools#wide" (func $post))
          (export "cabi_post_terrarium:echo/tools#failing" (func $post))
          (export "cabi_post_terrarium:echo/tools#bits" (func $post))
          (func (export "terrarium:echo/tools#listed") (param i32 i32) (result i32)
            (i32.store (i32.const 64) (i32.const 0))
            (i32.store (i32.const 68) (local.get 0))
            (i32.store (i32.const 72) (local.get 1))
            (i32.const 64))
          (func (export "terrarium:echo/tools#wide") (param i32) (result i32)
            (i32.store (i32.const 64) (i32.const 0))
            (memory.copy (i32.const {wide_payload}) (local.get 0) (i32.const {size}))
            (i32.const 64))
          (func (export "terrarium:echo/tools#failing") (param i32) (result i32)
            (i32.store (i32.const 64) (i32.const 1))
            (memory.copy (i32.const {failing_payload}) (local.get 0) (i32.const {size}))
            (i32.const 64))
          (func (export "terrarium:echo/tools#bits") (param {parameters}) (result i32)
            {bits}
            (i32.store (i32.const 64) (i32.const 0))
            (i32.store (i32.const 68) (i32.const 8192))
            (i32.store (i32.const 72) (i32.const {count}))
            (i32.const 64)))"#,
        wide_payload = 64 + payload,
        failing_payload = 64 + failing_payload,
        count = signature.params.len(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_paths_agree(
        (ty, items) in types().prop_flat_map(|ty| {
            let items = prop::collection::vec(values(&ty), 1..6);
            (Just(ty), items)
        })
    ) {
        let sandbox = Sandbox::new(Config::default()).expect("sandbox");
        let wit = suite(&ty);
        let bytes = component(&guest(&wit), &wit);
        let mut guests = both(&sandbox, &bytes).map(|p| p.instantiate().expect("instance"));
        let mut same = |tool: &str, arguments: Value| {
            let [core, component] = guests.each_mut().map(|g| call(g, tool, arguments.clone()));
            prop_assert_eq!(&core, &component, "{} {}", tool, arguments);
            Ok(core.outcome)
        };
        let listed = same("listed", json!({"items": items}))?;
        prop_assert_eq!(listed, CallOutcome::Ok(json!(items).to_string()));
        for item in &items {
            let mut arguments = json!({"item": item});
            for i in 0..PADS {
                arguments[format!("p{i}")] = json!(i);
            }
            prop_assert_eq!(same("wide", arguments.clone())?, CallOutcome::Ok(item.to_string()));
            let failed = same("failing", arguments)?;
            prop_assert!(matches!(failed, CallOutcome::ToolError { .. }), "{:?}", failed);
            let bits = same("bits", json!({"item": item}))?;
            prop_assert!(matches!(bits, CallOutcome::Ok(_)), "{:?}", bits);
        }
    }
}
