//! Progress on the terminal.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use resgen_core::progress::Progress;

/// How far apart the plain lines are when stderr is a file or a pipe.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows progress on stderr: a bar on a terminal, else a plain line every ten seconds.
#[derive(Default)]
pub struct TerminalProgress {
    work: Option<Work>,
}

/// The piece of work under way.
enum Work {
    Bar(ProgressBar),
    Lines(Lines),
}

impl Progress for TerminalProgress {
    fn begin(&mut self, what: &str, start: u64, total: u64) {
        self.end();
        self.work = Some(if stderr().is_terminal() {
            Work::Bar(bar(what, start, total))
        } else {
            eprintln!("{what}: {start}/{total}");
            Work::Lines(Lines::new(what, start, total))
        });
    }

    fn step(&mut self, done: u64, message: &str) {
        match &mut self.work {
            Some(Work::Bar(bar)) => {
                bar.set_message(message.to_owned());
                bar.set_position(done);
            }
            Some(Work::Lines(lines)) => {
                if let Some(line) = lines.step(done, message, Instant::now()) {
                    eprintln!("{line}");
                }
            }
            None => {}
        }
    }

    fn note(&mut self, message: &str) {
        match &self.work {
            // A bar would write over the line.
            Some(Work::Bar(bar)) => bar.println(message),
            _ => eprintln!("{message}"),
        }
    }

    fn end(&mut self) {
        match self.work.take() {
            Some(Work::Bar(bar)) => bar.abandon(),
            Some(Work::Lines(lines)) => eprintln!("{}", lines.summary(Instant::now())),
            None => {}
        }
    }
}

impl Drop for TerminalProgress {
    fn drop(&mut self) {
        self.end();
    }
}

fn bar(what: &str, start: u64, total: u64) -> ProgressBar {
    let template =
        "{prefix} {wide_bar:.cyan/blue} {human_pos}/{human_len} {rate} {elapsed} (left {left}) {msg}";
    // indicatif's own rate would count the steps before a resume.
    let rate = move |state: &ProgressState| {
        state.pos().saturating_sub(start) as f64 / state.elapsed().as_secs_f64().max(1e-3)
    };
    // The template is fixed; were it wrong, the plain bar would do.
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        // A write to the terminal's buffer cannot fail.
        .with_key("rate", move |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{:.2}/s", rate(state));
        })
        .with_key("left", move |state: &ProgressState, out: &mut dyn Write| {
            let steps = total.saturating_sub(state.pos()) as f64;
            let _ = match Duration::try_from_secs_f64(steps / rate(state)) {
                Ok(left) => write!(out, "{:#}", HumanDuration(left)),
                Err(_) => write!(out, "?"),
            };
        });
    let bar = ProgressBar::new(total).with_position(start).with_style(style).with_prefix(what.to_owned());
    // The clock goes on during a slow step.
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Decides when a plain line is due, and what it says.
struct Lines {
    what: String,
    start: u64,
    total: u64,
    done: u64,
    message: String,
    began: Instant,
    printed: Instant,
}

impl Lines {
    fn new(what: &str, start: u64, total: u64) -> Self {
        let now = Instant::now();
        Self {
            what: what.to_owned(),
            start,
            total,
            done: start,
            message: String::new(),
            began: now,
            printed: now,
        }
    }

    fn step(&mut self, done: u64, message: &str, now: Instant) -> Option<String> {
        self.done = done;
        message.clone_into(&mut self.message);
        (now.duration_since(self.printed) >= LINE_EVERY).then(|| {
            self.printed = now;
            self.summary(now)
        })
    }

    fn summary(&self, now: Instant) -> String {
        let elapsed = now.duration_since(self.began);
        let here = self.done.saturating_sub(self.start) as f64;
        let rate = if elapsed.is_zero() { 0.0 } else { here / elapsed.as_secs_f64() };
        let mut line = format!("{}: {}/{}", self.what, self.done, self.total);
        if here > 0.0 && rate > 0.0 {
            line += &format!(", {rate:.2}/s, {}", HumanDuration(elapsed));
            let left = self.total.saturating_sub(self.done) as f64 / rate;
            // A total beyond what a duration can hold has no end worth telling.
            if let (true, Ok(left)) = (left > 0.0, Duration::try_from_secs_f64(left)) {
                line += &format!(", {} left", HumanDuration(left));
            }
        }
        if !self.message.is_empty() {
            line += &format!(", {}", self.message);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_every_ten_seconds() {
        let mut lines = Lines::new("train", 100, 400);
        let after = |seconds| lines.began + Duration::from_secs(seconds);
        let times = [after(9), after(10), after(19), after(20)];
        let printed = times.map(|now| lines.step(101, "", now).is_some());
        assert_eq!(printed, [false, true, false, true]);
    }

    #[test]
    fn rate_and_time_left_count_from_the_resumed_step() {
        let mut lines = Lines::new("train", 100, 400);
        let now = lines.began + Duration::from_secs(20);
        // 100 steps in 20 s are 5/s; the 200 that remain take 40 s.
        let line = lines.step(200, "loss 1.5", now).unwrap();
        assert_eq!(line, "train: 200/400, 5.00/s, 20 seconds, 40 seconds left, loss 1.5");
    }

    #[test]
    fn before_the_first_step_there_is_no_rate() {
        let lines = Lines::new("train", 0, 10);
        assert_eq!(lines.summary(lines.began + Duration::from_secs(1)), "train: 0/10");
        assert_eq!(lines.summary(lines.began), "train: 0/10");
    }
}
