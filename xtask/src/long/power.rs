//! Power cuts: the spool on an ext4 of its own, in an image; what is in the image when the writer is stopped is what a
//! disk would have had when the power went.
//!
//! Data that was written and not synced is still in the page cache of the mounted file system, and so not in the image.
//! The image is copied while nothing is written to it (the loop device counts), which makes it the state of one moment.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::Chance;
use crate::run::{cargo, output, run, succeeds};

/// Room enough for what is written in a round.
const IMAGE_OCTETS: u64 = 256 << 20;
/// A round lasts at least this long, and up to `ROUND` longer.
const AT_LEAST: Duration = Duration::from_millis(300);
const ROUND: Duration = Duration::from_millis(2500);

pub(super) fn cut(root: &Path, rounds: u32, chance: &mut Chance) -> Result<String, String> {
    if output(Command::new("id").arg("-u"))?.trim() != "0" {
        return Err(
            "cutting the power mounts a file system of its own: run this as root".to_owned(),
        );
    }
    run(cargo(root).args([
        "build",
        "--quiet",
        "-p",
        "store",
        "--example",
        "spool_torture",
    ]))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let torture = target.join("debug/examples/spool_torture");
    let work = target.join(format!("power-{}", std::process::id()));
    fs::create_dir_all(&work).map_err(|err| format!("{}: {err}", work.display()))?;
    let mut counts = [0; 2];
    let mut failed = Vec::new();
    for number in 1..=rounds {
        let outcome = round(&torture, &work, AT_LEAST + chance.up_to(ROUND));
        let outcome = outcome.and_then(|said| counted(&said).map(|numbers| (said, numbers)));
        match outcome {
            Ok((said, numbers)) => {
                println!("power cut {number} of {rounds}: {said}");
                counts = [counts[0] + numbers[0], counts[1] + numbers[1]];
            }
            Err(what) => {
                println!("power cut {number} of {rounds}: FAILED: {what}");
                // The check names every mail that is lost; its last line counts them.
                let what = what.lines().last().unwrap_or_default().to_owned();
                failed.push((number, what));
            }
        }
    }
    let _ = fs::remove_dir_all(&work);
    let [promised, found] = counts;
    match failed.first() {
        None => Ok(format!(
            "{promised} promised, {found} found, over {rounds} power cuts"
        )),
        Some((number, what)) => Err(format!(
            "{} of {rounds} power cuts, the first was cut {number}: {what}",
            failed.len()
        )),
    }
}

/// `83 promised, 87 found, …`
fn counted(said: &str) -> Result<[u64; 2], String> {
    let number = |word: &str| {
        let (before, _) = said.split_once(word)?;
        before.rsplit(' ').next()?.parse().ok()
    };
    match (number(" promised"), number(" found")) {
        (Some(promised), Some(found)) => Ok([promised, found]),
        _ => Err(format!("the check said {said:?}")),
    }
}

fn round(torture: &Path, work: &Path, lasts: Duration) -> Result<String, String> {
    let (image, copy) = (work.join("image"), work.join("copy"));
    let said = work.join("promises");
    File::create(&image)
        .and_then(|file| file.set_len(IMAGE_OCTETS))
        .map_err(|err| format!("{}: {err}", image.display()))?;
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
    {
        let disk = Mounted::new(&image, &work.join("before"))?;
        let mut writer = Command::new(torture)
            .arg(disk.folder.join("spool"))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|err| format!("{}: {err}", torture.display()))?;
        let promises = listen(&mut writer)?;
        thread::sleep(lasts);
        let stopped = stop_and_copy(&writer, &disk, &image, &copy);
        // The writer is stopped: it goes without a last word, and what it said until then is all in the pipe.
        let _ = writer.kill();
        let _ = writer.wait();
        let promises = promises
            .join()
            .map_err(|_| "the promises can't be read".to_owned())?;
        stopped?;
        fs::write(&said, &promises).map_err(|err| format!("{}: {err}", said.display()))?;
        if !promises.contains(&b'+') {
            return Err("nothing was promised in this round".to_owned());
        }
    }
    let disk = Mounted::new(&copy, &work.join("after"))?;
    let promises = File::open(&said).map_err(|err| format!("{}: {err}", said.display()))?;
    let checked = output(
        Command::new(torture)
            .arg("--check")
            .arg(disk.folder.join("spool"))
            .stdin(promises),
    )?;
    Ok(checked.trim().replace('\n', "; "))
}

/// Reads the promises as they are made, so that the writer never waits for us.
fn listen(writer: &mut Child) -> Result<thread::JoinHandle<Vec<u8>>, String> {
    let out: ChildStdout = writer.stdout.take().ok_or("the writer has no output")?;
    Ok(thread::spawn(move || {
        let mut promises = Vec::new();
        let mut lines = BufReader::new(out);
        while lines
            .read_until(b'\n', &mut promises)
            .is_ok_and(|octets| octets > 0)
        {}
        promises
    }))
}

fn stop_and_copy(writer: &Child, disk: &Mounted, image: &Path, copy: &Path) -> Result<(), String> {
    // The shell's own kill: the program is in no package that every Debian has.
    run(Command::new("sh").args(["-c", &format!("kill -STOP {}", writer.id())]))?;
    for _ in 0..50 {
        let before = disk.writes()?;
        thread::sleep(Duration::from_millis(5));
        if disk.writes()? != before {
            continue;
        }
        run(Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .arg(image)
            .arg(copy))?;
        if disk.writes()? == before {
            return Ok(());
        }
    }
    Err("the disk did not come to rest after the writer was stopped".to_owned())
}

/// An image that is mounted, through a loop device that we chose.
struct Mounted {
    device: String,
    folder: PathBuf,
}

impl Mounted {
    fn new(image: &Path, folder: &Path) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|err| format!("{}: {err}", folder.display()))?;
        let device = output(
            Command::new("losetup")
                .args(["--find", "--show"])
                .arg(image),
        )?
        .trim()
        .to_owned();
        let mounted = Self {
            device,
            folder: folder.to_owned(),
        };
        // The file system's own commit every five seconds must not hide a sync that is missing.
        run(Command::new("mount")
            .args(["-o", "commit=300"])
            .arg(&mounted.device)
            .arg(folder))?;
        Ok(mounted)
    }

    /// How many writes the device has finished, and how many are under way.
    fn writes(&self) -> Result<(String, String), String> {
        let name = self.device.trim_start_matches("/dev/");
        let path = format!("/sys/block/{name}/stat");
        let mut text = String::new();
        File::open(&path)
            .and_then(|mut file| file.read_to_string(&mut text))
            .map_err(|err| format!("{path}: {err}"))?;
        let fields: Vec<&str> = text.split_whitespace().collect();
        match (fields.get(4), fields.get(8)) {
            (Some(done), Some(under_way)) => Ok(((*done).to_owned(), (*under_way).to_owned())),
            _ => Err(format!("{path} has another form than expected")),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let folder = self.folder.to_string_lossy().into_owned();
        if !succeeds("umount", &[&folder]) {
            succeeds("umount", &["-l", &folder]);
        }
        succeeds("losetup", &["-d", &self.device]);
    }
}
