//! Several checked suites as one: their tables, tools and policies side by side, so that one component offers them all.
//!
//! Names that two suites share are told apart by the suite's slug: table `member` of `library-desk` becomes `library_desk_member`,
//! record `MemberPage` becomes `LibraryDeskMemberPage`, and people read `library member`, not `library desk member`. The rules of the policies are numbered through.

use crate::compile::kebab;
use crate::suite::{Effect, Source, Suite, Tool};
use crate::tree::{Expr, ExprKind, Iterable, Literal, Local, Statement};
use crate::types::{Span, Type};
use crate::visit::{children_mut, parts_mut};
use std::collections::BTreeMap;
use std::ops::Range;

/// Several suites as one, and what came from which.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The suite.
    pub suite: Suite,
    /// Tables of each part, in the order given.
    pub tables: Vec<Range<usize>>,
    /// Tools of each part.
    pub tools: Vec<Range<usize>>,
}

/// Suites side by side; `name` is the slug of the whole.
pub fn join(name: &str, parts: &[&Suite]) -> Joined {
    let mut renamed: Vec<Suite> = parts.iter().map(|s| (*s).clone()).collect();
    let clashes = Clashes::of(parts);
    for suite in &mut renamed {
        clashes.rename(suite);
    }
    let mut whole = Suite {
        name: name.to_owned(),
        title: listed(parts),
        domain: parts.first().map(|s| s.domain.clone()).unwrap_or_default(),
        policy: String::new(),
        files: Vec::new(),
        parameters: Vec::new(),
        enums: Vec::new(),
        records: Vec::new(),
        tables: Vec::new(),
        functions: Vec::new(),
        tools: Vec::new(),
    };
    let (mut tables, mut tools) = (Vec::new(), Vec::new());
    let mut last_rule = 0;
    for mut suite in renamed {
        let shift = Shift {
            files: whole.files.len() as u32,
            parameters: whole.parameters.len(),
            enums: whole.enums.len(),
            records: whole.records.len(),
            tables: whole.tables.len(),
            functions: whole.functions.len(),
            rules: last_rule,
        };
        shift.suite(&mut suite);
        tables.push(shift.tables..shift.tables + suite.tables.len());
        tools.push(whole.tools.len()..whole.tools.len() + suite.tools.len());
        let (policy, last) = renumbered(&suite.policy, last_rule);
        last_rule = last;
        let head = if whole.policy.is_empty() { "" } else { "\n" };
        whole.policy.push_str(&format!("{head}{}: {}", suite.title, policy.trim()));
        whole.files.append(&mut suite.files);
        whole.parameters.append(&mut suite.parameters);
        whole.enums.append(&mut suite.enums);
        whole.records.append(&mut suite.records);
        whole.tables.append(&mut suite.tables);
        whole.functions.append(&mut suite.functions);
        whole.tools.append(&mut suite.tools);
    }
    Joined { suite: whole, tables, tools }
}

/// Titles side by side: `A, B and C`.
fn listed(parts: &[&Suite]) -> String {
    let titles: Vec<&str> = parts.iter().map(|s| s.title.as_str()).collect();
    match titles.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => titles.concat(),
    }
}

/// The policy with its rules counted on from `last`; gives the last number.
fn renumbered(policy: &str, last: u32) -> (String, u32) {
    let mut highest = last;
    let lines = policy.lines().map(|line| {
        let text = line.trim();
        let Some((number, rest)) = text.split_once('.') else { return text.to_owned() };
        match number.parse::<u32>() {
            Ok(number) => {
                highest = highest.max(number + last);
                format!("{}.{rest}", number + last)
            }
            Err(_) => text.to_owned(),
        }
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    (text, highest)
}

/// How people tell a suite from others: its slug without the desk and without what it keeps: `marina` of `marina-berths`, `library` of
/// `library-desk`.
fn words(slug: &str) -> String {
    let slug = slug.trim_end_matches("-desk").trim_end_matches("-front");
    let plural = |word: &str| word.ends_with('s') && !word.ends_with("ss");
    match slug.rsplit_once('-') {
        Some((rest, last)) if plural(last) => rest.replace('-', " "),
        None if plural(slug) => slug[..slug.len() - 1].to_owned(),
        _ => slug.replace('-', " "),
    }
}

/// Names that more than one suite uses.
struct Clashes {
    /// Of tables, records, enumerations, functions and tools: they share the component's name space.
    names: BTreeMap<String, usize>,
    parameters: BTreeMap<String, usize>,
    labels: BTreeMap<String, usize>,
}

impl Clashes {
    fn of(parts: &[&Suite]) -> Self {
        let mut clashes = Clashes { names: BTreeMap::new(), parameters: BTreeMap::new(), labels: BTreeMap::new() };
        for suite in parts {
            // Once a suite: a suite's own names are distinct where they must be.
            let mut own: Vec<String> = suite.tables.iter().map(|t| kebab(&t.name)).collect();
            own.extend(suite.records.iter().map(|r| kebab(&r.name)));
            own.extend(suite.enums.iter().map(|e| kebab(&e.name)));
            own.extend(suite.functions.iter().map(|f| kebab(&f.name)));
            count(own, &mut clashes.names);
            count(suite.parameters.iter().map(|p| p.name.clone()).collect(), &mut clashes.parameters);
            count(suite.tables.iter().flat_map(|t| [t.label.clone(), t.plural.clone()]).collect(), &mut clashes.labels);
        }
        clashes
    }

    fn rename(&self, suite: &mut Suite) {
        let slug = suite.name.replace('-', "_");
        let camel: String = suite.name.split('-').map(capital).collect();
        let twice = |name: &str| self.names.get(&kebab(name)).is_some_and(|n| *n > 1);
        let snake = |name: &mut String| {
            if twice(name) {
                *name = format!("{slug}_{name}");
            }
        };
        suite.enums.iter_mut().for_each(|e| snake(&mut e.name));
        suite.functions.iter_mut().for_each(|f| snake(&mut f.name));
        suite.tools.iter_mut().for_each(|t| snake(&mut t.name));
        for record in &mut suite.records {
            if twice(&record.name) {
                record.name = format!("{camel}{}", record.name);
            }
        }
        for parameter in &mut suite.parameters {
            if self.parameters.get(&parameter.name).is_some_and(|n| *n > 1) {
                let name = format!("{slug}_{}", parameter.name);
                suite.policy = suite.policy.replace(&format!("{{{}}}", parameter.name), &format!("{{{name}}}"));
                parameter.name = name;
            }
        }
        let words = words(&suite.name);
        for table in &mut suite.tables {
            snake(&mut table.name);
            let shared = |label: &str| self.labels.get(label).is_some_and(|n| *n > 1);
            if shared(&table.label) || shared(&table.plural) {
                // `approval invoice`, not `invoice approval invoice`.
                let words: Vec<&str> = words.split(' ').filter(|w| *w != table.label).collect();
                let words = words.join(" ");
                let label = format!("{words} {}", table.label);
                table.called = with_word(&table.called, &table.label, &label);
                table.plural = format!("{words} {}", table.plural);
                table.label = label;
            }
        }
    }
}

fn count(mut names: Vec<String>, counts: &mut BTreeMap<String, usize>) {
    names.sort_unstable();
    names.dedup();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
}

/// `the loan of {book}` with `loan` replaced, where it stands as the first noun.
fn with_word(called: &str, from: &str, to: &str) -> String {
    match called.strip_prefix(&format!("the {from} ")) {
        Some(rest) => format!("the {to} {rest}"),
        None => called.to_owned(),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|c| c.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

/// How far the indices of a suite move.
struct Shift {
    files: u32,
    parameters: usize,
    enums: usize,
    records: usize,
    tables: usize,
    functions: usize,
    rules: u32,
}

impl Shift {
    fn suite(&self, suite: &mut Suite) {
        for parameter in &mut suite.parameters {
            self.ty(&mut parameter.ty);
            self.literal(&mut parameter.default);
            parameter.choices.iter_mut().for_each(|c| self.literal(c));
        }
        for record in &mut suite.records {
            record.fields.iter_mut().for_each(|(_, ty)| self.ty(ty));
            self.span(&mut record.span);
        }
        for table in &mut suite.tables {
            self.span(&mut table.span);
            for column in &mut table.columns {
                self.ty(&mut column.ty);
                self.source(&mut column.source);
                self.span(&mut column.span);
            }
        }
        for function in &mut suite.functions {
            for parameter in &mut function.parameters {
                self.ty(&mut parameter.ty);
                parameter.default.iter_mut().for_each(|d| self.literal(d));
            }
            self.ty(&mut function.returns);
            self.locals(&mut function.locals);
            self.block(&mut function.body);
            self.span(&mut function.span);
        }
        suite.tools.iter_mut().for_each(|t| self.tool(t));
    }

    fn tool(&self, tool: &mut Tool) {
        tool.function += self.functions;
        self.locals(&mut tool.goal_locals);
        tool.needs.iter_mut().for_each(|n| self.expr(n));
        tool.rules.iter_mut().for_each(|(_, rule)| *rule += self.rules);
        tool.gives.iter_mut().for_each(|(_, source)| self.source(source));
        if let Some(finds) = &mut tool.finds {
            finds.table += self.tables;
        }
        self.span(&mut tool.span);
        for effect in &mut tool.effects {
            match effect {
                Effect::Insert { table, values } => {
                    *table += self.tables;
                    values.iter_mut().for_each(|v| self.expr(v));
                }
                Effect::Update { table, key, values } => {
                    *table += self.tables;
                    self.expr(key);
                    values.iter_mut().for_each(|(_, v)| self.expr(v));
                }
                Effect::UpdateAll { table, condition, values, .. } => {
                    *table += self.tables;
                    self.expr(condition);
                    values.iter_mut().for_each(|(_, v)| self.expr(v));
                }
                Effect::Delete { table, key } => {
                    *table += self.tables;
                    self.expr(key);
                }
                Effect::DeleteAll { table, condition, .. } => {
                    *table += self.tables;
                    self.expr(condition);
                }
            }
        }
    }

    fn span(&self, span: &mut Span) {
        span.file += self.files;
    }

    fn locals(&self, locals: &mut [Local]) {
        locals.iter_mut().for_each(|l| self.ty(&mut l.ty));
    }

    fn ty(&self, ty: &mut Type) {
        match ty {
            Type::Enum(id) => *id += self.enums,
            Type::Key(table) | Type::Row(table) => *table += self.tables,
            Type::Record(id) => *id += self.records,
            Type::Option(inner) | Type::List(inner) => self.ty(inner),
            Type::Tuple(parts) => parts.iter_mut().for_each(|p| self.ty(p)),
            Type::Dict(key, value) => {
                self.ty(key);
                self.ty(value);
            }
            Type::Unit | Type::Bool | Type::Int | Type::Float | Type::Str | Type::Money | Type::Date => {}
        }
    }

    fn literal(&self, literal: &mut Literal) {
        if let Literal::Enum(id, _) = literal {
            *id += self.enums;
        }
    }

    fn source(&self, source: &mut Source) {
        match source {
            Source::Reference { table } => *table += self.tables,
            Source::Maybe { inner, .. } => self.source(inner),
            Source::Derived { locals, value } => {
                self.locals(locals);
                self.expr(value);
            }
            _ => {}
        }
    }

    fn expr(&self, expr: &mut Expr) {
        self.ty(&mut expr.ty);
        self.span(&mut expr.span);
        match &mut expr.kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Parameter(parameter) => *parameter += self.parameters,
            ExprKind::Column { table, .. }
            | ExprKind::Get { table, .. }
            | ExprKind::Find { table, .. }
            | ExprKind::Insert { table, .. } => *table += self.tables,
            ExprKind::Record { record, .. } => *record += self.records,
            ExprKind::Call { function, .. } => *function += self.functions,
            ExprKind::Comprehension { iterable, .. } => self.iterable(iterable),
            _ => {}
        }
        children_mut(expr).into_iter().for_each(|e| self.expr(e));
    }

    fn iterable(&self, iterable: &mut Iterable) {
        if let Iterable::Table(table) = iterable {
            *table += self.tables;
        }
    }

    fn block(&self, block: &mut [Statement]) {
        for statement in block {
            match statement {
                Statement::SetColumn { table, .. } | Statement::Delete { table, .. } => *table += self.tables,
                Statement::For { iterable, .. } => self.iterable(iterable),
                _ => {}
            }
            let (expressions, blocks) = parts_mut(statement);
            expressions.into_iter().for_each(|e| self.expr(e));
            blocks.into_iter().for_each(|b| self.block(b));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Surface, compile, parse_suite};

    fn suite(slug: &str, label: &str) -> Suite {
        let text = format!(
            "suite(\"{slug}\", title = \"The {slug}\", domain = \"d\", policy = \"\"\"Be kind.\n1. At most {{most}} each.\"\"\")\n\
             most = parameter(2, choices = [2, 3])\n\
             member = table(\"member\", key(\"M\", 2), rows(3, 5), label = \"{label}\", plural = \"{label}s\", called = \"{{name}}\",\n\
             \x20   name = person_name(unique = True), tier = one_of(\"low\", \"high\"), held = integer(0, 5))\n\
             Line = record(\"Line\", id = key_of(member), tier = member.tier)\n\
             def few(m: member) -> bool:\n    return m.held < most\n\
             def list_members() -> list[Line]:\n    \"\"\"List members.\"\"\"\n    return [Line(id = m.id, tier = m.tier) for m in member if few(m)]\n\
             tool(list_members)\n\
             def give(member_id: key_of(member)) -> member:\n    \"\"\"Give one more.\n\n    Args:\n        member_id: Who.\n    \"\"\"\n\
             \x20   m = member.get(member_id)\n    require(m.held < most, \"policy\", \"enough\")\n    m.held += 1\n    return m\n\
             tool(give, ask = [\"give {{member_id}} one\"], needs = [rule(1, member.get(member_id).held < most)],\n\
             \x20   effect = [update(member, member_id, held = member.get(member_id).held + 1)])\n"
        );
        parse_suite("s.star", &text).unwrap_or_else(|e| panic!("{e:?}"))
    }

    #[test]
    fn names_are_told_apart_and_indices_move() {
        let joined = join("shed-and-book-desk", &[&suite("shed", "member"), &suite("book-desk", "reader")]);
        let whole = &joined.suite;
        let names: Vec<&str> = whole.tools.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["shed_list_members", "shed_give", "book_desk_list_members", "book_desk_give"]);
        let tables: Vec<&str> = whole.tables.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(tables, ["shed_member", "book_desk_member"]);
        assert_eq!((&*whole.tables[0].label, &*whole.tables[1].label), ("member", "reader"));
        assert_eq!(whole.records[1].name, "BookDeskLine");
        assert_eq!(
            whole.policy,
            "The shed: Be kind.\n1. At most {shed_most} each.\nThe book-desk: Be kind.\n2. At most {book_desk_most} each."
        );
        assert_eq!(whole.tools[3].rules, [(0, 2)]);
        assert_eq!(
            whole.tools[3].function,
            whole.functions.iter().position(|f| f.name == "book_desk_give").expect("it")
        );
        assert_eq!((joined.tables[1].clone(), joined.tools[1].clone()), (1..2, 2..4));
        assert!(matches!(&whole.tables[1].columns[2].ty, Type::Enum(1)));
    }

    #[test]
    fn a_suite_joined_with_itself_compiles() {
        let one = suite("shed", "member");
        let other = suite("barn", "member");
        let joined = join("shed-and-barn", &[&one, &other]);
        assert_eq!(joined.suite.tables[1].label, "barn member");
        let rows = |prefix: &str| {
            let row = |n: u32| {
                vec![
                    crate::Value::Key(format!("{prefix}-{n:02}")),
                    crate::Value::Str(format!("Person {n}")),
                    crate::Value::Enum(0),
                    crate::Value::Int(1),
                ]
            };
            crate::value::TableRows { key: joined.suite.tables[0].key.clone(), rows: vec![row(1), row(2)], next_key: 3 }
        };
        let world = crate::World { today: 20_000, tables: vec![rows("M"), rows("M")] };
        let compiled = compile::compile(&joined.suite, &Surface::plain(&joined.suite), &world);
        compiled.unwrap_or_else(|e| panic!("{e}"));
    }
}
