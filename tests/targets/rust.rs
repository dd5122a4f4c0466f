// SPDX-License-Identifier: Apache-2.0
//! The hot function of a Rust program, built without frame pointers.


extern "C" {
    /// CPU time of the process in microseconds, as POSIX has it.
    fn clock() -> std::ffi::c_long;
}

struct Mill {
    factor: u64,
}

trait Grind {
    fn grind(&self, value: u64) -> u64;
}

/// std::hint::black_box(), which Debian 12's compiler (1.63) does not have.
#[inline(always)]
fn black_box<T>(value: T) -> T {
    let kept = std::mem::ManuallyDrop::new(value);

    // Safe: read once from where it is valid, and not dropped there.
    unsafe { std::ptr::read_volatile(&*kept) }
}

#[inline(never)]
fn hot(mut value: u64) -> u64 {
    for _ in 0..400_000 {
        value = black_box(value.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
    }
    value
}

impl Grind for Mill {
    #[inline(never)]
    fn grind(&self, value: u64) -> u64 {
        let room = black_box([value; 40]);
        black_box(hot(value * self.factor)) ^ room[(value % 40) as usize]
    }
}

#[inline(never)]
fn middle(grinder: &dyn Grind, value: u64) -> u64 {
    black_box(grinder.grind(value)).wrapping_add(1)
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let mill = Mill { factor: 1 };
    let mut value = 1;

    while (unsafe { clock() } as f64) < seconds * 1e6 {
        value = black_box(middle(&mill, value));
    }
    println!("chain=rust::hot;<rust::Mill as rust::Grind>::grind;rust::middle;rust::main");
}
