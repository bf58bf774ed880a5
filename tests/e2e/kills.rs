//! `kill -9` at moments spread over a whole rollout, export and merge: the database passes its check, nothing is lost but what was in
//! flight, nothing is there twice, no file is torn. A few kills run in `make test`; `make kills` runs fifty of each.

use crate::support::Desk;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How much is tried.
#[derive(Clone, Copy)]
struct Size {
    kills: u32,
    /// Tasks of the databases, as typed.
    tasks: u64,
    /// Episodes a task that the two policies of merge and export have.
    group: u64,
    /// Episodes a task that a rollout has left to do when it starts, about.
    round: u64,
}

/// In `make kills`, of each command.
const MANY: Size = Size { kills: 50, tasks: 90, group: 20, round: 20 };
/// In `make test`.
const FEW: Size = Size { kills: 4, tasks: 20, group: 20, round: 100 };

impl Size {
    /// A desk with worlds.
    fn desk(self) -> Desk {
        Desk::with_worlds("2", &self.tasks.to_string())
    }

    /// Episodes of the two databases of merge and export together.
    fn episodes(self) -> u64 {
        self.tasks + 2 * self.tasks * self.group
    }
}

/// Everything that an episode holds but durations.
const EPISODES: &str = "SELECT e.task_id || '@' || e.policy || '#' || e.sample || ' ' || e.seed || ' ' || e.outcome || ' ' ||
    coalesce(e.reward, 'null') || coalesce(e.answer, '') || coalesce(e.error, '') || e.messages || e.checks || e.setup || e.usage || e.cuts ||
    (SELECT coalesce(group_concat(s.tool || s.arguments || s.result || s.diff || s.outcome || s.fuel, char(10)), '')
     FROM (SELECT * FROM steps ORDER BY episode_id, number) s WHERE s.episode_id = e.id)
    FROM episodes e ORDER BY e.task_id, e.policy, e.sample";
/// Runs with their metrics, without their numbers.
const RUNS: &str = "SELECT r.command || coalesce(r.policy, '') || r.seed || r.options || coalesce(r.summary, 'null') ||
    (SELECT count(*) || ' ' || coalesce(sum(m.value), 0) FROM metrics m WHERE m.run_id = r.id) FROM runs r ORDER BY 1";
const TASKS: &str = "SELECT id || prompt || certificate FROM tasks ORDER BY id";

/// Moments spread over a span without a pattern that a command could be in step with (Weyl's sequence).
struct Moments {
    span: Duration,
    drawn: u64,
}

impl Moments {
    fn over(span: Duration) -> Moments {
        Moments { span, drawn: 0 }
    }

    fn next(&mut self) -> Duration {
        self.drawn += 1;
        let part = self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40; // 24 bits
        self.span.mul_f64(part as f64 / f64::from(1 << 24))
    }
}

/// Starts a command and kills it after a while. Whether it was still running then.
fn kill_after(desk: &Desk, arguments: &[&str], lifetime: Duration) -> bool {
    let mut child = desk.start(arguments);
    sleep(lifetime);
    let running = child.try_wait().expect("a state").is_none();
    child.kill().expect("kill -9");
    let status = child.wait().expect("it ends");
    assert!(running || status.success(), "{arguments:?} failed by itself: {status}");
    running
}

#[track_caller]
fn check_database(desk: &Desk, file: &str, kills: u32) {
    let checked = desk.run(&["stats", "--check", "--json", "--db", file]);
    assert_eq!(checked.code, Some(0), "after kill {kills}: {}{}", checked.out, checked.err);
}

fn timed(desk: &Desk, arguments: &[&str]) -> Duration {
    let started = Instant::now();
    desk.run(arguments).json();
    started.elapsed()
}

fn rollout(size: Size) {
    let kills_wanted = size.kills;
    let arguments = |group: u64| -> Vec<String> {
        let plain = ["rollout", "--policy", "random", "--seed", "5", "--json", "-q", "--faults", "5", "--group"];
        plain.into_iter().map(str::to_owned).chain([group.to_string()]).collect()
    };
    let run = |desk: &Desk, group: u64| {
        let arguments = arguments(group);
        desk.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).json()
    };
    let desk = size.desk();
    let count = || desk.query("SELECT CAST(count(*) AS TEXT) FROM episodes")[0].parse::<u64>().expect("a number");
    // How long a round takes on this machine today.
    let measured = size.desk();
    let started = Instant::now();
    run(&measured, size.round);
    let mut moments = Moments::over(started.elapsed());
    let (mut kills, mut runs, mut before, mut new_most) = (0, 0, 0, 0);
    let mut group = size.round;
    while kills < kills_wanted {
        runs += 1;
        assert!(runs < 20 * kills_wanted, "only {kills} of {runs} runs were killed in the middle");
        let typed = arguments(group);
        let killed = kill_after(&desk, &typed.iter().map(String::as_str).collect::<Vec<_>>(), moments.next());
        kills += u32::from(killed);
        check_database(&desk, "terrarium.db", kills);
        let now = count();
        assert!(now >= before, "after kill {kills}: {before} episodes became {now}");
        new_most = new_most.max(now - before);
        before = now;
        // There is always about a whole round left to do.
        group = now / size.tasks + size.round;
    }
    let said = run(&desk, group);
    assert_eq!(said["resumed"], before, "{said}");
    let unbroken = size.desk();
    run(&unbroken, group);
    let (broken, unbroken) = (desk.query(EPISODES), unbroken.query(EPISODES));
    assert_eq!(broken.len() as u64, size.tasks * group);
    assert!(broken == unbroken, "the content differs from that of an unbroken run");
    println!(
        "rollout: {kills} kills in {runs} runs; {} episodes, none lost, none twice; at most {new_most} new a run",
        broken.len()
    );
}

/// Two databases that share worlds, tasks and some episodes, and have others of their own.
fn two_databases(size: Size) -> Desk {
    let desk = size.desk();
    let group = size.group.to_string();
    desk.run(&["rollout", "--policy", "expert", "--json", "-q"]).json();
    for file in ["a.db", "b.db"] {
        std::fs::copy(desk.path("terrarium.db"), desk.path(file)).expect("copied");
    }
    desk.run(&["rollout", "--policy", "random", "--group", &group, "--db", "a.db", "--json", "-q"]).json();
    desk.run(&["rollout", "--policy", "noisy-expert", "--group", &group, "--db", "b.db", "--json", "-q"]).json();
    desk
}

fn merge(size: Size) {
    let kills_wanted = size.kills;
    let desk = two_databases(size);
    let into = |file: &'static str| ["merge", "a.db", "b.db", "--db", file, "--json", "-q"];
    let mut moments = Moments::over(timed(&desk, &into("whole.db")));
    let whole = [EPISODES, RUNS, TASKS].map(|sql| desk.query_in("whole.db", sql));
    assert_eq!(whole[0].len() as u64, size.episodes());
    let is_whole = |file: &str| {
        for (sql, expected) in [EPISODES, RUNS, TASKS].iter().zip(&whole) {
            assert!(desk.query_in(file, sql) == *expected, "a merge that was killed and run again differs in: {sql}");
        }
    };
    let (mut kills, mut runs, mut got_through, mut in_the_middle) = (0, 0, 0, 0);
    let mut before = 0;
    while kills < kills_wanted {
        runs += 1;
        assert!(runs < 20 * kills_wanted, "only {kills} of {runs} merges were killed in the middle");
        let killed = kill_after(&desk, &into("all.db"), moments.next());
        kills += u32::from(killed);
        // A kill before the first commit leaves a file that is not yet a database, or none.
        let is_database = desk.path("all.db").metadata().is_ok_and(|m| m.len() > 0)
            && desk.query_in("all.db", "SELECT name FROM sqlite_schema WHERE name = 'task_totals'").len() == 1;
        if is_database {
            check_database(&desk, "all.db", kills);
            let episodes = desk.query_in("all.db", EPISODES);
            assert!(episodes.len() >= before, "after kill {kills}: {before} episodes became {}", episodes.len());
            assert!(is_part(&episodes, &whole[0]), "after kill {kills}: an episode that is in no source");
            in_the_middle += u32::from(killed && !episodes.is_empty() && episodes.len() < whole[0].len());
            before = episodes.len();
        }
        if !killed {
            got_through += 1;
            is_whole("all.db");
            for suffix in ["", "-wal", "-shm"] {
                std::fs::remove_file(desk.path(&format!("all.db{suffix}"))).ok();
            }
            before = 0;
        }
    }
    let last = desk.run(&into("all.db")).json();
    assert_eq!(last["conflict_count"], 0, "{last}");
    is_whole("all.db");
    for (source, group) in [("a.db", "random"), ("b.db", "noisy-expert")] {
        check_database(&desk, source, kills);
        let policies = desk.query_in(source, "SELECT DISTINCT policy FROM episodes ORDER BY policy");
        assert!(policies.len() == 2 && policies.contains(&group.to_owned()), "{source} has {policies:?}");
    }
    assert!(kills_wanted < MANY.kills || in_the_middle > 0, "no kill came while episodes were being added");
    println!(
        "merge: {kills} kills in {runs} runs, {in_the_middle} amid the episodes; {got_through} got through; all end whole"
    );
}

/// Whether every item of one sorted list is in another one.
fn is_part(some: &[String], all: &[String]) -> bool {
    let mut rest = all.iter();
    some.iter().all(|one| rest.any(|other| other == one))
}

/// The files of a folder by name, without those that are being written.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(listing) = std::fs::read_dir(dir) else { return BTreeMap::new() };
    let entries = listing.map(|entry| entry.expect("an entry"));
    let named = entries.map(|entry| (entry.file_name().into_string().expect("a name"), entry.path()));
    named
        .filter(|(name, _)| !name.starts_with('.'))
        .map(|(name, path)| (name, std::fs::read(path).expect("a file")))
        .collect()
}

fn export(size: Size) {
    let kills_wanted = size.kills;
    let desk = two_databases(size);
    let ways = [
        ["--format", "openai", "--files", "jsonl"],
        ["--format", "openai", "--files", "zst"],
        ["--format", "openai", "--files", "parquet"],
        ["--format", "verifiers", "--files", "jsonl"],
        ["--format", "trl-kto", "--files", "jsonl"],
    ];
    // Two selections that take turns in one folder a way, so that whole files are always replaced by others.
    let selections = [["--policy", "random"], ["--limit", "100"]];
    let arguments = |way: usize, selection: usize, out: &str| -> Vec<String> {
        let plain = ["export", "--db", "a.db", "--json", "-q", "--out", out];
        plain.iter().chain(&ways[way]).chain(&selections[selection]).map(|s| (*s).to_owned()).collect()
    };
    let mut expected = Vec::new();
    let mut spans = Vec::new();
    for way in 0..ways.len() {
        let of_way: Vec<_> = (0..selections.len())
            .map(|selection| {
                let out = format!("whole-{way}-{selection}");
                let typed = arguments(way, selection, &out);
                let took = timed(&desk, &typed.iter().map(String::as_str).collect::<Vec<_>>());
                (files(&desk.path(&out)), took)
            })
            .collect();
        spans.push(of_way.iter().map(|(_, took)| *took).max().expect("two"));
        expected.push(of_way);
    }
    let mut moments: Vec<Moments> = spans.into_iter().map(Moments::over).collect();
    // There are files of the other selection before the first kill.
    for way in 0..ways.len() {
        let typed = arguments(way, 1, &format!("out-{way}"));
        desk.run(&typed.iter().map(String::as_str).collect::<Vec<_>>()).json();
    }
    let (mut kills, mut runs, mut unfinished, mut looked_at) = (0, 0, 0, 0);
    while kills < kills_wanted {
        let (way, selection) = (runs as usize % ways.len(), runs as usize / ways.len() % selections.len());
        runs += 1;
        assert!(runs < 20 * kills_wanted, "only {kills} of {runs} exports were killed in the middle");
        let out = format!("out-{way}");
        let typed = arguments(way, selection, &out);
        let lifetime = moments[way].next();
        let killed = kill_after(&desk, &typed.iter().map(String::as_str).collect::<Vec<_>>(), lifetime);
        kills += u32::from(killed);
        for (name, bytes) in files(&desk.path(&out)) {
            let whole = expected[way].iter().any(|(files, _)| files.get(&name) == Some(&bytes));
            assert!(whole, "after kill {kills}: {out}/{name} is torn: {} bytes", bytes.len());
            looked_at += 1;
        }
        let listing = desk.path(&out).read_dir().map(|d| d.flatten().count()).unwrap_or(0);
        unfinished += u32::from(listing > files(&desk.path(&out)).len());
    }
    for (way, of_way) in expected.iter().enumerate() {
        let out = format!("out-{way}");
        let typed = arguments(way, 1, &out);
        desk.run(&typed.iter().map(String::as_str).collect::<Vec<_>>()).json();
        assert!(files(&desk.path(&out)) == of_way[1].0, "{out} differs from an unbroken export");
        let listing = desk.path(&out).read_dir().expect("a folder").count();
        assert_eq!(listing, of_way[1].0.len(), "{out}: leftovers stay");
    }
    check_database(&desk, "a.db", kills);
    println!(
        "export: {kills} kills in {runs} runs; {looked_at} files looked at, none torn; {unfinished} runs left an unfinished one"
    );
}

#[test]
fn rollout_survives_a_few_kills() {
    rollout(FEW);
}

#[test]
fn merge_survives_a_few_kills() {
    merge(FEW);
}

#[test]
fn export_survives_a_few_kills() {
    export(FEW);
}

#[test]
#[ignore = "takes minutes; make kills runs it"]
fn rollout_survives_kill_at_fifty_moments() {
    rollout(MANY);
}

#[test]
#[ignore = "takes minutes; make kills runs it"]
fn merge_survives_kill_at_fifty_moments() {
    merge(MANY);
}

#[test]
#[ignore = "takes minutes; make kills runs it"]
fn export_survives_kill_at_fifty_moments() {
    export(MANY);
}

/// A kill right after the target got its first episodes, whatever the machine's speed: the same merge again brings the rest.
#[test]
fn merge_killed_amid_the_episodes_goes_on() {
    let desk = two_databases(FEW);
    let arguments = ["merge", "a.db", "b.db", "--db", "all.db", "--json", "-q"];
    let mut child = desk.start(&arguments);
    let started = Instant::now();
    while !desk.path("all.db-wal").metadata().is_ok_and(|m| m.len() > 1 << 20) {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing was merged in a minute");
        assert!(child.try_wait().expect("a state").is_none(), "it got through before it could be killed");
        sleep(Duration::from_millis(1));
    }
    child.kill().expect("kill -9");
    child.wait().expect("it ends");
    check_database(&desk, "all.db", 1);
    let there = desk.query_in("all.db", EPISODES).len() as u64;
    assert!(there < FEW.episodes(), "it was killed too late");
    let again: Value = desk.run(&arguments).json();
    let added = again["added"]["episodes"].as_u64().expect("a number");
    assert_eq!((there + added, &again["conflict_count"]), (FEW.episodes(), &Value::from(0)), "{again}");
    check_database(&desk, "all.db", 1);
}
