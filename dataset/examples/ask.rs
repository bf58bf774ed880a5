//! Times the ten queries of docs/schema.md: `ask FILE`. The first column is the best of three runs in milliseconds.
//! `cargo run -p terrarium-dataset --example fill -- big.db --tasks 50000 --episodes 1000000 --small` makes a database worth asking.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use std::io::Write;
use std::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: ask FILE")?;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.md"))?;
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&file).read_only(true)).await?;
    let task: String = connection.fetch_one("SELECT task_id FROM task_totals LIMIT 1").await?.get(0);
    let mut out = std::io::stdout();
    for query in page.split("```sql\n").skip(1) {
        let query = query.split("```").next().unwrap_or_default().trim().replace("TASK", &task);
        let mut best = f64::INFINITY;
        let mut rows = 0;
        for _ in 0..3 {
            let began = Instant::now();
            rows = connection.fetch_all(AssertSqlSafe(query.clone())).await?.len();
            best = best.min(began.elapsed().as_secs_f64() * 1e3);
        }
        writeln!(out, "{best:8.2} ms  {rows:6} rows  {}", query.lines().next().unwrap_or_default())?;
    }
    Ok(())
}
