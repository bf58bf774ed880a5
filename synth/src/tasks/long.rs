//! Long goals: several goals about one world that do not depend on one another, so that they may be done in any order.

use crate::seed::Dice;
use crate::tasks::act::ActWriter;
use crate::tasks::ask::AskWriter;
use crate::tasks::expected::{Outcome, Stage};
use crate::tasks::goal::{Goal, Query};
use crate::tasks::policy::PolicyWriter;
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::repair::RepairWriter;

/// Parts of a long goal; three of middling length already make twenty calls.
const PARTS: std::ops::RangeInclusive<usize> = 3..=5;
/// Questions in it at most.
const QUESTIONS_MAX: usize = 2;
/// Draws for each part wanted.
const DRAWS_PER_PART: usize = 4;

/// Draws long goals in one environment.
pub struct LongWriter<'a> {
    /// The world.
    pub stage: Stage<'a>,
    /// Draws the parts that act.
    pub act: ActWriter<'a>,
}

impl LongWriter<'_> {
    /// A goal; each level adds a part.
    ///
    /// # Errors
    /// `too_short` where too few parts go together.
    pub fn draw(&self, level: usize, dice: &mut Dice) -> Verdict<Goal> {
        let wanted = dice.between(*PARTS.start() as i64, *PARTS.end() as i64) as usize + level;
        let mut parts: Vec<Goal> = Vec::with_capacity(wanted);
        let mut outcome = Outcome::new(self.stage);
        for _ in 0..wanted * DRAWS_PER_PART {
            if parts.len() == wanted {
                break;
            }
            let questions = parts.iter().filter(|p| matches!(p, Goal::Ask(_))).count();
            let drawn = match dice.weighted(&[10, if questions < QUESTIONS_MAX { 8 } else { 0 }, 3, 2]) {
                0 => self.act.draw(0, dice),
                1 => AskWriter { describer: self.act.describer }.draw(0, dice),
                2 => PolicyWriter { act: self.act_writer() }.case(false, dice).map(Goal::Policy),
                _ => RepairWriter { act: self.act_writer() }.draw(0, dice),
            };
            let Ok(part) = drawn else { continue };
            // A list among several answers reads badly.
            if matches!(part, Goal::Ask(Query::Names { .. })) || parts.contains(&part) {
                continue;
            }
            if outcome.part(&part).is_ok() {
                parts.push(part);
            }
        }
        let acts = parts.iter().filter(|p| !matches!(p, Goal::Ask(_))).count();
        if parts.len() < *PARTS.start() || acts < 2 {
            return reject("too_short", format!("{} parts", parts.len()));
        }
        Ok(Goal::Long(parts))
    }

    fn act_writer(&self) -> ActWriter<'_> {
        ActWriter {
            stage: self.act.stage,
            tried: self.act.tried,
            describer: self.act.describer,
            tools: self.act.tools,
            locales: self.act.locales,
        }
    }
}
