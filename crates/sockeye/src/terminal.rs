//! The person at the terminal: what is typed, line by line, and what is shown meanwhile.
//!
//! On a terminal the line being typed stays whole while messages arrive, with editing and history.
//! From a pipe, lines are read as they are.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use sockeye_proto::limits::MESSAGE_MAX_BYTES;
use sockeye_proto::printable::Printable;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::exit::Failure;
use crate::serving;

/// Lines that wait to be taken.
const LINES_MAX: usize = 16;
const PROMPT: &str = "> ";
/// Ends what the editor has asked of the terminal (DEC private mode 2004), and the line.
const PASTE_UNMARKED: &str = "\x1b[?2004l\r\n";

/// What comes from the person, or from the pipe.
#[derive(Debug)]
pub enum Typed {
    /// A line, without its end.
    Line(Vec<u8>),
    /// A line longer than any message; it is left out.
    TooLong,
    /// There is no more.
    End,
}

/// Where lines come from.
#[derive(Debug)]
pub struct Terminal {
    typed: Receiver<Typed>,
    screen: Arc<Screen>,
    /// Ctrl-C, which is a key like any other where lines are edited.
    interrupts: Arc<Notify>,
    /// Whether the editor has ended by itself, and put all in order.
    is_ended: Arc<AtomicBool>,
    /// As it was found, to be left so.
    found: Option<Termios>,
}

/// Where data and remarks go.
pub struct Screen {
    /// Prints above the line being typed, where there is one.
    printer: Option<Mutex<Box<dyn rustyline::ExternalPrinter + Send>>>,
    /// Whether a person reads the data.
    is_read_by_person: bool,
}

impl Terminal {
    /// Begins to read.
    pub fn open() -> Result<Self, Failure> {
        let (lines, typed) = channel(LINES_MAX);
        let is_person = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let failed = |e: &dyn std::fmt::Display| {
            Failure::Ours(format!("cannot read from the terminal: {e}"))
        };
        let (interrupts, is_ended) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        if !is_person {
            std::thread::spawn(move || read_pipe(&lines));
            let screen = Screen::plain();
            return Ok(Self { typed, screen, interrupts, is_ended, found: None });
        }
        let found = tcgetattr(std::io::stdin()).ok();
        let mut editor = DefaultEditor::new().map_err(|e| failed(&e))?;
        let printer = editor.create_external_printer().map_err(|e| failed(&e))?;
        let (interrupted, ended) = (Arc::clone(&interrupts), Arc::clone(&is_ended));
        std::thread::spawn(move || read_person(&mut editor, &lines, &interrupted, &ended));
        let printer: Box<dyn rustyline::ExternalPrinter + Send> = Box::new(printer);
        let screen = Screen { printer: Some(Mutex::new(printer)), is_read_by_person: true };
        Ok(Self { typed, screen: Arc::new(screen), interrupts, is_ended, found })
    }

    /// Notified when Ctrl-C is typed.
    pub fn interrupts(&self) -> Arc<Notify> {
        Arc::clone(&self.interrupts)
    }

    /// Whether a person types.
    pub fn is_person(&self) -> bool {
        self.screen.printer.is_some()
    }

    /// Where to print while lines are typed.
    pub fn screen(&self) -> Arc<Screen> {
        Arc::clone(&self.screen)
    }

    /// What is typed next; after the end, nothing ever.
    pub async fn next(&mut self) -> Typed {
        match self.typed.recv().await {
            Some(typed) => typed,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The line editor may be in the middle of a line, which nobody will end.
        if let Some(found) = self.found.as_ref().filter(|_| !self.is_ended.load(Ordering::Acquire))
        {
            let _ = serving::print(PASTE_UNMARKED);
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, found);
        }
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_person = self.is_read_by_person;
        f.debug_struct("Screen").field("is_read_by_person", &is_person).finish_non_exhaustive()
    }
}

impl Screen {
    /// Standard output and standard error, with no line being typed.
    pub fn plain() -> Arc<Self> {
        let is_read_by_person = std::io::stdout().is_terminal();
        Arc::new(Self { printer: None, is_read_by_person })
    }

    /// Prints a line of data: as it came into a pipe or a file, made harmless on a terminal.
    pub fn print(&self, line: &[u8]) -> Result<(), Failure> {
        if self.is_read_by_person {
            return self.write(&shown(line));
        }
        serving::print_bytes(&[line, b"\n"].concat())
    }

    /// Prints a line of data with a remark beside it, which only a person gets to see.
    pub fn print_with(&self, line: &[u8], remark: &str) -> Result<(), Failure> {
        if self.is_read_by_person {
            return self.write(&format!("{}  ({remark})", shown(line)));
        }
        self.print(line)
    }

    /// Says something that is no data.
    pub fn say(&self, line: &str) {
        if self.printer.is_some() {
            let _ = self.write(line);
        } else {
            // If stderr is closed there is nobody to tell.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }

    fn write(&self, line: &str) -> Result<(), Failure> {
        let Some(printer) = &self.printer else { return serving::print(&format!("{line}\n")) };
        let mut printer = printer.lock().unwrap_or_else(PoisonError::into_inner);
        printer
            .print(format!("{line}\n"))
            .map_err(|e| Failure::Ours(format!("cannot write to the terminal: {e}")))
    }
}

/// A message as a terminal can show it: several lines stay several.
fn shown(line: &[u8]) -> String {
    let lines: Vec<String> =
        line.split(|&b| b == b'\n').map(|line| Printable(line).to_string()).collect();
    lines.join("\n")
}

fn read_person(
    editor: &mut DefaultEditor,
    lines: &Sender<Typed>,
    interrupts: &Notify,
    is_ended: &AtomicBool,
) {
    loop {
        match editor.readline(PROMPT) {
            Ok(line) => {
                let _ = editor.add_history_entry(&line);
                if lines.blocking_send(Typed::Line(line.into_bytes())).is_err() {
                    return;
                }
            }
            Err(error) => {
                is_ended.store(true, Ordering::Release);
                if matches!(error, ReadlineError::Interrupted) {
                    interrupts.notify_one();
                } else {
                    let _ = lines.blocking_send(Typed::End);
                }
                return;
            }
        }
    }
}

fn read_pipe(lines: &Sender<Typed>) {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        // The line end is not counted.
        let longest = MESSAGE_MAX_BYTES as u64 + 2;
        let typed = match input.by_ref().take(longest).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => Typed::End,
            Ok(_) => {
                let has_end = line.pop_if(|last| *last == b'\n').is_some();
                if has_end {
                    line.pop_if(|last| *last == b'\r');
                }
                if line.len() <= MESSAGE_MAX_BYTES {
                    Typed::Line(line)
                } else {
                    if !has_end && input.skip_until(b'\n').is_err() {
                        return;
                    }
                    Typed::TooLong
                }
            }
        };
        let is_last = matches!(typed, Typed::End);
        if lines.blocking_send(typed).is_err() || is_last {
            return;
        }
    }
}
