//! rust-hello is a daemon that says hello, with nothing but the standard library. SIGTERM ends it.
//!
//!     cargo build --release
//!     target/release/rust-hello --listen 127.0.0.1:8080

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");
const USAGE: &str = "usage: rust-hello [--listen ADDRESS] [--version]

  --listen ADDRESS  loopback address to serve on; port 0 takes a free one (127.0.0.1:0)
  --version         print the version and leave
";

/// How long a client may take for its request, and for reading the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many bytes of a request are read at most.
const MAX_REQUEST: usize = 8 << 10;

/// What the command line asks for.
enum Wish {
    Serve(String),
    Say(String),
}

fn main() {
    if let Err(err) = run() {
        eprintln!("{}: {}", NAME, err);
        process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    let address = match read_arguments(env::args().skip(1))? {
        Wish::Serve(address) => address,
        Wish::Say(text) => {
            out.write_all(text.as_bytes())?;
            return Ok(());
        }
    };
    let listener = TcpListener::bind(loopback(&address)?)?;
    writeln!(
        out,
        "{} {} listens on http://{}",
        NAME,
        VERSION,
        listener.local_addr()?
    )?;
    out.flush()?;
    serve(&listener)
}

/// Reads the arguments. Flags begin with one dash or two, and a value may follow a "=".
fn read_arguments(mut args: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut address = "127.0.0.1:0".to_string();
    while let Some(arg) = args.next() {
        let flag = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
        let (flag, value) = match flag.and_then(|f| f.split_once('=')) {
            Some((flag, value)) => (Some(flag), Some(value.to_string())),
            None => (flag, None),
        };
        match (flag, value) {
            (Some("listen"), value) => {
                address = value
                    .or_else(|| args.next())
                    .ok_or("--listen needs an address")?;
            }
            (Some("version"), None) => return Ok(Wish::Say(format!("{} {}\n", NAME, VERSION))),
            (Some("help") | Some("h"), None) => return Ok(Wish::Say(USAGE.to_string())),
            _ => return Err(format!("{:?} is not known\n{}", arg, USAGE.trim_end())),
        }
    }
    Ok(Wish::Serve(address))
}

/// Refuses any address that other machines could reach: nobody signs in here.
fn loopback(address: &str) -> Result<SocketAddr, String> {
    let mut found = address
        .to_socket_addrs()
        .map_err(|err| format!("{}: {}", address, err))?;
    match found.next() {
        Some(addr) if addr.ip().is_loopback() => Ok(addr),
        _ => Err(format!("{} is not a loopback address", address)),
    }
}

/// Serves until the process ends.
fn serve(listener: &TcpListener) -> ! {
    loop {
        let served = listener.accept().and_then(|(conn, _)| {
            // A client that goes away in the middle is no matter of ours.
            thread::Builder::new().spawn(move || answer(conn).unwrap_or(()))
        });
        if served.is_err() {
            thread::sleep(Duration::from_millis(100)); // too many are here already
        }
    }
}

fn answer(mut conn: TcpStream) -> io::Result<()> {
    conn.set_write_timeout(Some(PATIENCE))?;
    let request = read_request(&mut conn)?;
    let (status, body) = match request.split_once(' ') {
        Some(("GET", "/")) => ("200 OK", format!("hello {}\n", VERSION)),
        Some(("GET", "/health")) => ("200 OK", "ok\n".to_string()),
        _ => ("404 Not Found", "not found\n".to_string()),
    };
    write!(
        conn,
        "HTTP/1.1 {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        status,
        body.len(),
        body
    )
}

/// Reads to the end of the head of a request and returns its method and path, without the query.
fn read_request(conn: &mut TcpStream) -> io::Result<String> {
    let began = Instant::now();
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        let left = PATIENCE
            .checked_sub(began.elapsed())
            .filter(|left| !left.is_zero());
        conn.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        let mut chunk = [0; 1024];
        let n = conn.read(&mut chunk)?;
        head.extend_from_slice(&chunk[..n]);
        if n == 0 || head.len() > MAX_REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.lines().next().unwrap_or("").split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let path = target.split('?').next().unwrap_or("");
    Ok(format!("{} {}", method, path))
}
