//! Functions and methods on plain values, and lists as a whole: one form of a type at a time.

use super::scope::Body;
use super::types::Ty;

impl Body<'_> {
    /// A use of a function or method that gives this type; `None` where there is none.
    pub(super) fn function_of(&mut self, ty: &Ty, depth: usize) -> Option<String> {
        Some(match ty {
            Ty::Int => self.int_function(depth),
            Ty::Float => match self.below(2) {
                0 => format!("abs({})", self.expr(ty, depth, false)),
                _ => format!("float({})", self.expr(&Ty::Money, depth, true)),
            },
            Ty::Str => self.text_function(depth),
            Ty::Money => match self.below(3) {
                0 => format!("round_money({})", self.expr(&Ty::Float, depth, false)),
                1 => {
                    let step = self.random.pick(&["0.05", "0.10", "1.00", "0.01"]);
                    format!("round_money({}, money_of(\"{step}\"))", self.expr(ty, depth, false))
                }
                _ => format!("abs({})", self.expr(ty, depth, false)),
            },
            Ty::Date => match self.below(3) {
                0 => format!("add_months({}, {})", self.expr(ty, depth, true), self.expr(&Ty::Int, depth, true)),
                1 => format!("({} + weeks({}))", self.expr(ty, depth, false), self.expr(&Ty::Int, depth, true)),
                _ => {
                    let (year, month) = (1900 + self.below(250), self.expr(&Ty::Int, depth, true));
                    format!("date_of({year}, {month}, {})", self.below(33))
                }
            },
            Ty::List(inner) => return self.list_function(&inner.clone(), depth),
            _ => return None,
        })
    }

    fn int_function(&mut self, depth: usize) -> String {
        match self.below(9) {
            0 => format!("abs({})", self.expr(&Ty::Int, depth, false)),
            1 => format!("int({})", self.expr(&Ty::Float, depth, false)),
            2 => format!("int({})", self.expr(&Ty::Str, depth, false)),
            3 => format!("round({})", self.expr(&Ty::Float, depth, false)),
            4 => {
                let part = self.random.pick(&["year", "month", "day", "weekday()"]);
                format!("{}.{part}", self.expr(&Ty::Date, depth, false))
            }
            5 => format!("days_in_month({})", self.expr(&Ty::Date, depth, true)),
            6 => format!("weeks({})", self.expr(&Ty::Int, depth, true)),
            _ => {
                let word = self.random.pick(&["find", "count"]);
                format!("{}.{word}({})", self.expr(&Ty::Str, depth, false), self.expr(&Ty::Str, depth, true))
            }
        }
    }

    fn text_function(&mut self, depth: usize) -> String {
        match self.below(10) {
            0 | 1 => {
                let word = self.random.pick(&["title", "capitalize", "lstrip", "rstrip"]);
                format!("{}.{word}()", self.expr(&Ty::Str, depth, false))
            }
            2 => {
                let word = self.random.pick(&["removeprefix", "removesuffix"]);
                format!("{}.{word}({})", self.expr(&Ty::Str, depth, false), self.expr(&Ty::Str, depth, true))
            }
            3 => {
                let (text, old) = (self.expr(&Ty::Str, depth, false), self.expr(&Ty::Str, depth, true));
                format!("{text}.replace({old}, {})", self.leaf(&Ty::Str, true))
            }
            4 => {
                let word = self.random.pick(&["ljust", "rjust", "zfill"]);
                format!("{}.{word}({})", self.expr(&Ty::Str, depth, false), self.below(12))
            }
            5 => {
                let separator = self.random.pick(&["\", \"", "\"\"", "\"ß\""]);
                format!("{separator}.join({})", self.expr(&Ty::Str.list(), depth, false))
            }
            6 => format!("str({})", self.printed(depth)),
            7 => format!("fixed({}, {})", self.expr(&Ty::Float, depth, false), self.below(4)),
            8 => format!("{}[{}]", self.expr(&Ty::Str, depth, false), self.random.pick(&["0", "1", "-1"])),
            _ => {
                let part = self.random.pick(&["[1:]", "[:2]", "[-2:]", "[1:3]"]);
                format!("{}{part}", self.expr(&Ty::Str, depth, false))
            }
        }
    }

    /// A question about a text.
    pub(super) fn text_question(&mut self, depth: usize) -> String {
        let text = self.expr(&Ty::Str, depth, false);
        match self.below(4) {
            0 => {
                let word = self.random.pick(&["isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower"]);
                format!("{text}.{word}()")
            }
            1 => {
                let word = self.random.pick(&["startswith", "endswith"]);
                format!("{text}.{word}({})", self.expr(&Ty::Str, depth, true))
            }
            2 => format!("({} in {text})", self.expr(&Ty::Str, depth, false)),
            _ => format!("matches({text}, {})", self.expr(&Ty::Str, depth, true)),
        }
    }

    fn list_function(&mut self, inner: &Ty, depth: usize) -> Option<String> {
        let ty = inner.clone().list();
        Some(match self.below(5) {
            0 => format!("reversed({})", self.expr(&ty, depth, false)),
            1 => format!("{}[::-1]", self.expr(&ty, depth, false)),
            2 if inner.is_ordered() && *inner != Ty::Float => format!("unique({})", self.expr(&ty, depth, false)),
            3 if *inner == Ty::Str => {
                let separator = self.random.pick(&["\" \"", "\",\"", "\"a\""]);
                format!("{}.split({separator})", self.expr(&Ty::Str, depth, false))
            }
            4 => {
                let list = self.expr(&ty, depth, false);
                let (name, first, second) = (self.fresh(), self.ordered(), self.ordered());
                let key = self.with(&name, inner.clone(), |b| {
                    b.quiet(|b| format!("({}, {})", b.expr(&first, depth, false), b.expr(&second, depth, false)))
                });
                format!("sorted({list}, key = lambda {name}: {key})")
            }
            _ => return None,
        })
    }
}
