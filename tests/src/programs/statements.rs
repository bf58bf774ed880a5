//! Statements. A block says whether it ends by leaving, because nothing may follow that.

use super::scope::Body;
use super::types::Ty;

/// Whether control goes on behind a block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open,
    Left,
}

/// Deepest nesting of an expression.
const DEPTH: usize = 3;

impl Body<'_> {
    /// A block of a few statements, its variables gone afterwards.
    pub(super) fn block(&mut self, indent: usize, out: &mut String) -> End {
        let outer = self.variables.len();
        let mut end = End::Open;
        for _ in 0..=self.below(3) {
            if self.budget == 0 {
                break;
            }
            self.budget -= 1;
            end = self.statement(indent, out);
            if end == End::Left {
                break;
            }
        }
        self.variables.truncate(outer);
        if !out.ends_with('\n') || out.ends_with(":\n") {
            line(out, indent, "pass");
        }
        end
    }

    pub(super) fn statement(&mut self, indent: usize, out: &mut String) -> End {
        match self.below(26) {
            0..=4 => self.declaration(indent, out),
            5..=7 => self.assignment(indent, out),
            8 | 9 => self.append(indent, out),
            10 | 11 => return self.branches(indent, out),
            12 | 13 if self.loops < 2 => self.for_loop(indent, out),
            14 if self.loops > 0 => {
                line(out, indent, &format!("if {}:", self.condition(2).text));
                let word = self.random.pick(&["break", "continue"]);
                line(out, indent + 1, word);
            }
            15 => {
                let condition = self.condition(2);
                let message = self.message();
                let code = self.random.pick(&["e_one", "e_two"]);
                line(out, indent, &format!("require({}, \"{code}\", {message})", condition.text));
                self.learn(&condition.yes);
            }
            16 => self.leaving(indent, out),
            17 => self.search(indent, out),
            18 => self.helper_call(indent, out),
            19 | 20 => self.dict(indent, out),
            21 if self.loops < 2 => self.pair_loop(indent, out),
            22 => self.unpacking(indent, out),
            _ => self.write(indent, out),
        }
        End::Open
    }

    fn message(&mut self) -> String {
        self.expr(&Ty::Str, 2, true)
    }

    fn declaration(&mut self, indent: usize, out: &mut String) {
        let ty = self.file.any(self.random, 2);
        let name = self.fresh();
        if self.one_in(2) {
            let value = self.expr(&ty, DEPTH, false);
            line(out, indent, &format!("{name} = {value}"));
            self.declare(&name, ty, true);
            return;
        }
        let written = self.file.name(&ty);
        if let Ty::Option(inner) = &ty {
            let inner = (**inner).clone();
            let (value, present) = self.optional(&inner);
            line(out, indent, &format!("{name}: {written} = {value}"));
            self.declare(&name, ty, true);
            self.set_present(&name, present);
            return;
        }
        let value = self.expr(&ty, DEPTH, true);
        line(out, indent, &format!("{name}: {written} = {value}"));
        self.declare(&name, ty, true);
    }

    /// A value for an optional variable, and whether the checker then knows that it is there.
    fn optional(&mut self, inner: &Ty) -> (String, bool) {
        match self.below(3) {
            0 => ("None".into(), false),
            1 => {
                let lender = self.file.lender(&inner.clone().option());
                (format!("{lender}({})", self.expr(inner, DEPTH, true)), false)
            }
            _ => {
                // A conditional takes the option's type from the variable, and proves nothing.
                let value = self.expr(inner, DEPTH, false);
                let proves = !value.contains(" if ");
                (value, proves)
            }
        }
    }

    fn set_present(&mut self, name: &str, present: bool) {
        for variable in self.variables.iter_mut().filter(|v| v.name == name) {
            variable.present = present;
        }
    }

    fn assignment(&mut self, indent: usize, out: &mut String) {
        // What is known to be present stays so in a loop only if the loop does not assign it.
        let in_loop = self.loops > 0;
        let Some(variable) = self.variable_where(|v| v.assignable && !(in_loop && matches!(v.ty, Ty::Option(_))))
        else {
            return self.declaration(indent, out);
        };
        let name = &variable.name;
        if let Ty::Option(inner) = &variable.ty {
            let (value, present) = self.optional(inner);
            line(out, indent, &format!("{name} = {value}"));
            self.set_present(name, present);
            return;
        }
        let sign = match variable.ty {
            Ty::Int => self.random.pick(&["+", "-", "*", "//", "%"]),
            Ty::Float => self.random.pick(&["+", "-", "*", "/"]),
            Ty::Money => self.random.pick(&["+", "-"]),
            Ty::Str | Ty::List(_) => "+",
            _ => "",
        };
        if sign.is_empty() || self.one_in(2) {
            let value = self.expr(&variable.ty, DEPTH, true);
            line(out, indent, &format!("{name} = {value}"));
        } else {
            let value = self.expr(&variable.ty, DEPTH, false);
            line(out, indent, &format!("{name} {sign}= {value}"));
        }
    }

    fn append(&mut self, indent: usize, out: &mut String) {
        let found = self.variable_where(|v| v.assignable && matches!(v.ty, Ty::List(_)));
        if let Some(variable) = found
            && let Ty::List(inner) = &variable.ty
        {
            let value = self.expr(inner, DEPTH, true);
            line(out, indent, &format!("{}.append({value})", variable.name));
            return;
        }
        // A list that takes its type from its first element.
        let ty = self.file.any(self.random, 1);
        let name = self.fresh();
        line(out, indent, &format!("{name} = []"));
        let value = self.expr(&ty, DEPTH, false);
        line(out, indent, &format!("{name}.append({value})"));
        self.declare(&name, ty.list(), true);
    }

    fn branches(&mut self, indent: usize, out: &mut String) -> End {
        let before = self.variables.clone();
        let mut after: Vec<Vec<bool>> = Vec::new();
        let mut refuted: Vec<String> = Vec::new();
        let arms = 1 + self.below(3);
        for arm in 0..arms {
            let condition = self.condition(2);
            line(out, indent, &format!("{} {}:", if arm == 0 { "if" } else { "elif" }, condition.text));
            self.learn(&condition.yes);
            if self.block(indent + 1, out) == End::Open {
                after.push(self.variables.iter().map(|v| v.present).collect());
            }
            self.variables.clone_from(&before);
            refuted.extend(condition.no);
            self.learn(&refuted);
        }
        if self.one_in(2) {
            line(out, indent, "else:");
            if self.block(indent + 1, out) == End::Open {
                after.push(self.variables.iter().map(|v| v.present).collect());
            }
        } else {
            after.push(self.variables.iter().map(|v| v.present).collect());
        }
        // Where paths meet, what all of them know is known.
        self.variables.clone_from(&before);
        for (i, variable) in self.variables.iter_mut().enumerate() {
            variable.present = after.iter().all(|path| path[i]);
        }
        if after.is_empty() { End::Left } else { End::Open }
    }

    fn for_loop(&mut self, indent: usize, out: &mut String) {
        let (over, ty) = match self.below(3) {
            0 => {
                let table = self.table();
                (format!("t{table}"), Ty::Row(table))
            }
            1 => (self.range(2), Ty::Int),
            _ => {
                let ty = self.file.any(self.random, 1);
                (self.expr(&ty.clone().list(), 2, false), ty)
            }
        };
        let name = self.fresh();
        line(out, indent, &format!("for {name} in {over}:"));
        let before = self.variables.clone();
        self.declare(&name, ty, false);
        self.loops += 1;
        self.block(indent + 1, out);
        self.loops -= 1;
        self.variables = before;
    }

    /// A return or a failure behind a condition.
    fn leaving(&mut self, indent: usize, out: &mut String) {
        let condition = self.condition(2);
        line(out, indent, &format!("if {}:", condition.text));
        let text = self.knowing(&condition.yes, |b| {
            if b.one_in(2) {
                return format!("fail(\"e_three\", {})", b.message());
            }
            b.return_text()
        });
        line(out, indent + 1, &text);
        self.learn(&condition.no);
    }

    pub(super) fn return_text(&mut self) -> String {
        match self.returns.clone() {
            None => "return".into(),
            Some(ty) => format!("return {}", self.expr(&ty, DEPTH, true)),
        }
    }

    /// `best = None`, and a loop that may set it.
    fn search(&mut self, indent: usize, out: &mut String) {
        let (table, best, row) = (self.table(), self.fresh(), self.fresh());
        line(out, indent, &format!("{best} = None"));
        line(out, indent, &format!("for {row} in t{table}:"));
        self.loops += 1;
        let test = self.with(&row, Ty::Row(table), |b| b.condition(2).text);
        self.loops -= 1;
        line(out, indent + 1, &format!("if {test}:"));
        line(out, indent + 2, &format!("{best} = {row}"));
        if self.one_in(2) {
            line(out, indent + 2, "break");
        }
        self.declare(&best, Ty::Row(table).option(), true);
    }

    fn helper_call(&mut self, indent: usize, out: &mut String) {
        let may = self.may_write;
        let found: Vec<_> = self.callable.iter().filter(|s| may || !s.writes).cloned().collect();
        if found.is_empty() {
            return self.declaration(indent, out);
        }
        let signature = self.random.pick(&found);
        let call = self.call(&signature, 2);
        line(out, indent, &call);
    }

    /// An insert, an update or a delete.
    fn write(&mut self, indent: usize, out: &mut String) {
        if !self.may_write {
            return self.declaration(indent, out);
        }
        self.writes = true;
        let table = self.table();
        match self.below(8) {
            0 | 1 => {
                let text = self.insert(table, 2).unwrap_or_default();
                if self.one_in(2) {
                    let name = self.fresh();
                    line(out, indent, &format!("{name} = {text}"));
                    self.declare(&name, Ty::Row(table), true);
                } else {
                    line(out, indent, &text);
                }
            }
            2 => {
                let ty = if self.one_in(2) { Ty::Row(table) } else { Ty::Key(table) };
                let row = self.expr(&ty, 2, false);
                line(out, indent, &format!("t{table}.delete({row})"));
            }
            _ => {
                let row = self.row_variable(table, indent, out);
                let (column, ty) = self.random.pick(&self.file.tables[table].clone());
                if matches!(ty, Ty::Int | Ty::Money) && self.one_in(2) {
                    let sign = self.random.pick(&["+", "-"]);
                    let value = self.expr(&ty, 2, false);
                    line(out, indent, &format!("{row}.{column} {sign}= {value}"));
                } else {
                    let value = self.expr(&ty, DEPTH, true);
                    line(out, indent, &format!("{row}.{column} = {value}"));
                }
            }
        }
    }

    fn row_variable(&mut self, table: usize, indent: usize, out: &mut String) -> String {
        let ty = Ty::Row(table);
        if let Some(name) = self.variable(&ty) {
            return name;
        }
        let name = self.fresh();
        let value = self.expr(&ty, 2, false);
        line(out, indent, &format!("{name} = {value}"));
        self.declare(&name, ty, true);
        name
    }
}

pub(super) fn line(out: &mut String, indent: usize, text: &str) {
    out.push_str(&"    ".repeat(indent));
    out.push_str(text);
    out.push('\n');
}
