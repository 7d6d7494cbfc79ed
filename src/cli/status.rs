//! The state of a server, for a terminal.

#![forbid(unsafe_code)]

use serde_json::Value;

/// So many characters of a path are shown.
const LONGEST_PATH: usize = 60;

/// What `supercharger status` prints.
pub(super) fn screen(status: &Value, workers: &Value) -> String {
    let mut text = head(status);
    table(&mut text, &processes(status));
    table(&mut text, &pools(status));
    table(&mut text, &slots(workers));
    text
}

fn head(status: &Value) -> String {
    let server = &status["server"];
    let up = age(server["uptime_seconds"].as_f64().unwrap_or_default() * 1000.0);
    let ready = match status["not_ready_because"].as_str() {
        Some(why) => format!("not ready: {why}"),
        None => "ready".to_owned(),
    };
    let mut text = format!(
        "supercharger {}, PHP {}, process {}, up {up}\ngeneration {}: {}, {ready}\n",
        word(&server["version"]),
        word(&server["php"]),
        server["pid"],
        status["generation"],
        word(&status["stage"]),
    );
    if status["maintenance"]["on"] == true {
        let since = age(status["maintenance"]["since_seconds"].as_f64().unwrap_or_default() * 1000.0);
        text += &format!("maintenance for {since}: clients are told to come back later\n");
    }
    let last = &status["last_reload"];
    if last.is_object() {
        let took = age(last["took_ms"].as_f64().unwrap_or_default());
        let (reason, generation) = (word(&last["reason"]), &last["generation"]);
        text += &match last["error"].as_str() {
            Some(error) => format!("last reload ({reason}) failed after {took}: {}\n", indented(error)),
            None => format!("last reload ({reason}) led to generation {generation} in {took}\n"),
        };
    }
    text
}

/// Lines after the first one stand apart from ours.
fn indented(text: &str) -> String {
    text.replace('\n', "\n    ")
}

fn processes(status: &Value) -> Vec<Vec<String>> {
    let mut rows = vec![["PROCESS", "PID", "GENERATION", "ROLE", "UP", ""].map(str::to_owned).to_vec()];
    for process in list(&status["processes"]) {
        let stale = process["stale"] == true;
        rows.push(vec![
            process["process"].to_string(),
            process["pid"].to_string(),
            process["generation"].to_string(),
            word(&process["role"]),
            age(process["uptime_ms"].as_f64().unwrap_or_default()),
            if stale { "stale: does not answer".to_owned() } else { String::new() },
        ]);
    }
    rows
}

fn pools(status: &Value) -> Vec<Vec<String>> {
    let mut rows = vec![["POOL", "WORKERS", "QUEUE", "REQUESTS", "REJECTED", "REPLACED"].map(str::to_owned).to_vec()];
    for (name, pool) in status["pools"].as_object().into_iter().flatten() {
        rows.push(vec![
            name.clone(),
            counts(&pool["workers_by_state"]),
            pool["queue_depth"].to_string(),
            pool["requests"].to_string(),
            counts(&pool["rejected"]),
            counts(&pool["recycles"]),
        ]);
    }
    rows
}

fn slots(workers: &Value) -> Vec<Vec<String>> {
    let mut rows = vec![
        ["WORKER", "LIFE", "STATE", "FOR", "REQUESTS", "MEMORY", "LAST REPLACED", "NOW"].map(str::to_owned).to_vec(),
    ];
    for worker in list(&workers["workers"]) {
        let now = &worker["current"];
        let current = if now.is_object() {
            let path: String = word(&now["path"]).chars().take(LONGEST_PATH).collect();
            format!("{} {path} ({})", word(&now["method"]), word(&now["request_id"]))
        } else {
            String::new()
        };
        rows.push(vec![
            format!("{}/{}/{}", worker["process"], word(&worker["pool"]), worker["slot"]),
            worker["incarnation"].to_string(),
            word(&worker["state"]),
            age(worker["state_ms"].as_f64().unwrap_or_default()),
            worker["requests"].to_string(),
            memory(worker["memory_bytes"].as_u64().unwrap_or_default()),
            word(&worker["last_recycle"]),
            current,
        ]);
    }
    rows
}

/// Columns as wide as they need to be; nothing if there is no row below the head.
fn table(text: &mut String, rows: &[Vec<String>]) {
    if rows.len() < 2 {
        return;
    }
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns).map(width).collect();
    text.push('\n');
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Paths and methods come from clients: none of them moves the cursor of a terminal.
            let plain: String = cell.chars().map(|sign| if sign.is_control() { '?' } else { sign }).collect();
            line += &format!("{plain:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// `3 idle, 1 busy`; counts of zero are left out.
fn counts(value: &Value) -> String {
    let counts = value.as_object().into_iter().flatten().filter(|(_, count)| count.as_u64() != Some(0));
    let told: Vec<_> = counts.map(|(name, count)| format!("{count} {name}")).collect();
    if told.is_empty() { "-".to_owned() } else { told.join(", ") }
}

/// Milliseconds as people say them.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds of a life")]
fn age(millis: f64) -> String {
    let seconds = (millis / 1000.0) as u64;
    match seconds {
        0 => format!("{millis:.0} ms"),
        1..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn memory(bytes: u64) -> String {
    match bytes {
        0 => "-".to_owned(),
        _ => format!("{} MiB", bytes.div_ceil(1024 * 1024)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_screen() {
        let status = json!({
            "server": {"version": "0.1.0", "php": "8.4.24", "pid": 7, "uptime_seconds": 200.0},
            "generation": 2, "stage": "serving", "ready": true, "not_ready_because": null,
            "last_reload": {"ok": true, "generation": 2, "reason": "reload", "took_ms": 812, "error": null},
            "processes": [{"pid": 9, "process": 0, "generation": 2, "role": "serving", "uptime_ms": 5000, "stale": false}],
            "pools": {"default": {
                "workers_by_state": {"busy": 1, "idle": 3}, "queue_depth": 0, "requests": 12,
                "rejected": {"queue_full": 0}, "recycles": {"max_requests": 2, "fatal": 0},
            }},
        });
        let workers = json!({"workers": [{
            "process": 0, "pool": "default", "slot": 3, "incarnation": 2, "state": "busy", "state_ms": 12, "requests": 4,
            "memory_bytes": 3_000_000, "last_recycle": "max_requests",
            "current": {"method": "GET", "path": "/a\u{1b}b", "request_id": "r1", "elapsed_ms": 12},
        }]});
        let expected = "supercharger 0.1.0, PHP 8.4.24, process 7, up 3 min\n\
            generation 2: serving, ready\n\
            last reload (reload) led to generation 2 in 812 ms\n\
            \n\
            PROCESS  PID  GENERATION  ROLE     UP\n\
            0        9    2           serving  5 s\n\
            \n\
            POOL     WORKERS         QUEUE  REQUESTS  REJECTED  REPLACED\n\
            default  1 busy, 3 idle  0      12        -         2 max_requests\n\
            \n\
            WORKER       LIFE  STATE  FOR    REQUESTS  MEMORY  LAST REPLACED  NOW\n\
            0/default/3  2     busy   12 ms  4         3 MiB   max_requests   GET /a?b (r1)\n";
        assert_eq!(screen(&status, &workers), expected);
    }
}
