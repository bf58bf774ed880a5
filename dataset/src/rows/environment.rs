//! Rows of `environments`.

use super::{from_json, json, pack};
use crate::insert::{Row, Table};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::sync::Arc;
use terrarium_envs::environment::{Environment, Split};

/// How they are written.
pub static TABLE: Table = Table::new(
    "INSERT INTO environments (id, suite, domain, split, tool_count, digest, title, signature, recipe, system, tools, component, \
     cluster)",
    13,
);

/// The columns that [`read`] reads.
pub const COLUMNS: &str = "id, suite, domain, split, digest, title, signature, recipe, system, tools, component";

/// The row of an environment of a cluster.
pub fn write(environment: &Environment, cluster: &str) -> Row {
    Row::with_capacity(13)
        .text(&environment.id)
        .text(&environment.suite)
        .text(&environment.domain)
        .text(environment.split.name())
        .integer(environment.tools.len() as i64)
        .text(&environment.digest)
        .text(&environment.title)
        .text(json(&environment.signature))
        .text(json(&environment.recipe))
        .text(&environment.system)
        .text(json(&environment.tools))
        .blob(pack::Packer::new().bytes(&environment.component))
        .text(cluster)
}

/// The environment of a row.
pub fn read(row: &SqliteRow) -> Result<Environment, String> {
    let text = |column| row.try_get::<&str, _>(column).map_err(|e| e.to_string());
    let component: &[u8] = row.try_get("component").map_err(|e| e.to_string())?;
    Ok(Environment {
        id: text("id")?.to_owned(),
        suite: text("suite")?.to_owned(),
        title: text("title")?.to_owned(),
        domain: text("domain")?.to_owned(),
        split: split(text("split")?)?,
        system: text("system")?.to_owned(),
        tools: from_json("tools", text("tools")?)?,
        component: Arc::new(pack::unpack(component)?),
        digest: text("digest")?.to_owned(),
        recipe: from_json("recipe", text("recipe")?)?,
        signature: from_json("signature", text("signature")?)?,
    })
}

/// The split of its name.
pub fn split(name: &str) -> Result<Split, String> {
    Split::from_name(name).ok_or_else(|| format!("column split: there is no split {name}"))
}
