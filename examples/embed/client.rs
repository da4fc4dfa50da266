//! A client of the service, and what it sees. It speaks HTTP/1.0, whose answers end with their connection.

use std::{collections::HashMap, net::SocketAddr};

use eks_examples::{
    environment::Failure,
    program::{heading, say},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
};

/// Everything that the service can do, once.
pub(crate) async fn tour(address: SocketAddr) -> Result<(), Failure> {
    let client = Client { address };
    heading("What breaks rules is refused, all at once, and nothing is called");
    client.ask("POST", "/environments", Some(json!({"owner": "shop", "cidr": "10.0.0.1/29"}))).await?;

    heading("A plan");
    let wish = json!({"owner": "shop", "cidr": "10.0.0.0/16"});
    client.ask("POST", "/environments", Some(wish.clone())).await?;

    heading("Its run, until the control plane is on its way; then it is stopped");
    client.ask("POST", "/environments/shop/run", None).await?;
    let mut events = client.events("/environments/shop/events").await?;
    while let Some(event) = events.next().await? {
        if event["event"] == "step_waiting" && event["key"] == "cluster/control-plane" {
            client.ask("DELETE", "/environments/shop/run", None).await?;
        }
    }

    heading("Planned again: what is done stays; run to its end");
    client.ask("POST", "/environments", Some(wish)).await?;
    client.ask("POST", "/environments/shop/run", None).await?;
    let mut events = client.events("/environments/shop/events").await?;
    while events.next().await?.is_some() {}

    heading("Taken down");
    let verdict = client.ask("DELETE", "/environments/shop", None).await?;
    if verdict["verdict"] == "clean" { Ok(()) } else { Err("something is left".into()) }
}

struct Client {
    address: SocketAddr,
}

/// Server-sent events, as they come, and the last line that was shown of each step.
struct Events {
    lines: Lines<BufReader<TcpStream>>,
    shown: HashMap<String, String>,
}

impl Client {
    /// A request; what comes back is shown in short.
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        say(format!("→ {method} {path} {}", body.as_ref().map(ToString::to_string).unwrap_or_default()).trim_end());
        let (status, mut answer) = self.send(method, path, body).await?;
        let mut text = String::new();
        answer.read_to_string(&mut text).await?;
        let value: Value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? };
        say(format!("← {status} {}", short(&value)).trim_end());
        Ok(value)
    }

    async fn events(&self, path: &str) -> Result<Events, Failure> {
        say(format!("→ GET {path}"));
        let (status, answer) = self.send("GET", path, None).await?;
        say(format!("← {status} text/event-stream"));
        Ok(Events { lines: answer.lines(), shown: HashMap::new() })
    }

    /// Sends a request and reads the head of its answer.
    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Result<(u16, BufReader<TcpStream>), Failure> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut stream = TcpStream::connect(self.address).await?;
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.0\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {length}", self.address);
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?;
        let mut answer = BufReader::new(stream);
        let (mut status, mut line) = (None, String::new());
        while line != "\r\n" {
            line.clear();
            if answer.read_line(&mut line).await? == 0 {
                return Err("the service hung up".into());
            }
            status = status.or_else(|| line.split(' ').nth(1)?.parse().ok());
        }
        Ok((status.ok_or("no HTTP")?, answer))
    }
}

impl Events {
    /// The next one; what tells of nothing new is not shown.
    async fn next(&mut self) -> Result<Option<Value>, Failure> {
        while let Some(line) = self.lines.next_line().await? {
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let event: Value = serde_json::from_str(data)?;
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            let line = match text("event").as_str() {
                "run_started" => format!("run_started    {} steps", event["steps"]),
                "step_finished" => format!("step_finished  {} ({}s)", text("key"), event["took"]["secs"]),
                "step_waiting" => format!("step_waiting   {} {}", text("key"), text("state")),
                "step_failed" => format!("step_failed    {} {}", text("key"), text("error")),
                "end" if event["done"] == true => "end            done".to_owned(),
                "end" => format!("end            {}", text("error").lines().next().unwrap_or_default()),
                _ => return Ok(Some(event)),
            };
            if self.shown.insert(text("key"), line.clone()).as_ref() != Some(&line) {
                say(format!("  {line}"));
            }
            return Ok(Some(event));
        }
        Ok(None)
    }
}

/// A JSON value in about as much as a line holds: lists as their lengths, but for the problems of what was refused.
fn short(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Object(fields) if fields.contains_key("problems") => {
            let problems = value["problems"].as_array().into_iter().flatten();
            let line = |it: &Value| format!("\n    {}: {}; {}", it["subject"], it["rule"], it["remedy"]).replace('"', "");
            problems.map(line).collect()
        }
        Value::Object(fields) => {
            let short = |(name, value): (&String, &Value)| match value.as_array() {
                Some(list) => format!("{name}: [{}]", if list.is_empty() { String::new() } else { format!("{} of them", list.len()) }),
                None => format!("{name}: {value}"),
            };
            format!("{{{}}}", fields.iter().map(short).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
