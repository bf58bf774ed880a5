//! Tasks: declarative goals, drawn from the rows, and what they must bring about by rows.

pub mod across;
pub mod act;
pub mod arguments;
pub mod ask;
pub mod bounds;
pub mod choice;
pub mod columns;
pub mod describe;
pub mod draft;
pub mod expected;
pub mod goal;
pub mod long;
pub mod policy;
pub mod reach;
pub mod reject;
pub mod repair;
pub mod rows;
pub mod simulation;
