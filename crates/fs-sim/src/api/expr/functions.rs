//! The functions of mod_expr: one line each.

use std::f64::consts::PI;

use super::{Node, Scope, Wrong};

/// One function.
#[derive(Debug)]
pub(super) struct Function {
    name: &'static str,
    /// How many arguments it takes at least, and at most if there is a limit.
    pub(super) least: usize,
    pub(super) most: Option<usize>,
    /// Whether it takes a variable beside them, which it changes.
    pub(super) refers: bool,
    run: Run,
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

#[derive(Debug)]
enum Run {
    One(fn(f64) -> f64),
    Two(fn(f64, f64) -> f64),
    /// All arguments, evaluated.
    Many(fn(&[f64]) -> f64),
    /// The arguments as they are, and the variable.
    Lazy(fn(&mut Scope, &[Node], &str) -> Result<f64, Wrong>),
}

const fn one(name: &'static str, run: fn(f64) -> f64) -> Function {
    Function { name, least: 1, most: Some(1), refers: false, run: Run::One(run) }
}

const fn two(name: &'static str, run: fn(f64, f64) -> f64) -> Function {
    Function { name, least: 2, most: Some(2), refers: false, run: Run::Two(run) }
}

const fn many(name: &'static str, least: usize, most: Option<usize>, run: fn(&[f64]) -> f64) -> Function {
    Function { name, least, most, refers: false, run: Run::Many(run) }
}

const fn lazy(
    name: &'static str,
    least: usize,
    most: Option<usize>,
    refers: bool,
    run: fn(&mut Scope, &[Node], &str) -> Result<f64, Wrong>,
) -> Function {
    Function { name, least, most, refers, run: Run::Lazy(run) }
}

const TABLE: &[Function] = &[
    one("abs", f64::abs),
    two("mod", |a, b| a % b),
    one("ipart", f64::trunc),
    one("fpart", f64::fract),
    many("min", 1, None, |all| {
        all.iter().copied().fold(all[0], |least, value| if value < least { value } else { least })
    }),
    many("max", 1, None, |all| all.iter().copied().fold(all[0], |most, value| if value > most { value } else { most })),
    two("pow", f64::powf),
    one("sqrt", f64::sqrt),
    one("sin", f64::sin),
    one("sinh", f64::sinh),
    one("asin", f64::asin),
    one("cos", f64::cos),
    one("cosh", f64::cosh),
    one("acos", f64::acos),
    one("tan", f64::tan),
    one("tanh", f64::tanh),
    one("atan", f64::atan),
    two("atan2", f64::atan2),
    one("log", f64::log10),
    one("pow10", |power| 10_f64.powf(power)),
    one("ln", f64::ln),
    one("exp", f64::exp),
    lazy("logn", 2, Some(2), false, logn),
    one("ceil", f64::ceil),
    one("floor", f64::floor),
    lazy("rand", 0, Some(0), true, |scope, _, seed| Ok(next(scope, seed) / 32_768.0)),
    lazy("random", 2, Some(2), true, random),
    // The real one takes the clock; a value that is always the same is as random as any.
    lazy("randomize", 0, Some(0), true, |scope, _, seed| {
        scope.set(seed, 13_849.0);
        Ok(0.0)
    }),
    one("deg", |angle| 180.0 * angle / PI),
    one("rad", |angle| PI * angle / 180.0),
    two("recttopolr", |x, y| (x * x + y * y).sqrt()),
    // An angle below zero is a whole turn.
    two("recttopola", |x, y| if y.atan2(x) < 0.0 { 2.0 * PI } else { y.atan2(x) }),
    two("poltorectx", |radius, angle| radius * angle.cos()),
    two("poltorecty", |radius, angle| radius * angle.sin()),
    lazy("if", 3, Some(3), false, |scope, of, _| {
        let chosen = if scope.value(&of[0])? == 0.0 { 2 } else { 1 };
        scope.value(&of[chosen])
    }),
    lazy("select", 3, Some(4), false, select),
    two("equal", |a, b| truth(a == b)),
    two("above", |a, b| truth(a > b)),
    two("below", |a, b| truth(a < b)),
    many("avg", 1, None, |all| all.iter().sum::<f64>() / all.len() as f64),
    // The lower bound is taken for the upper one too.
    many("clip", 3, Some(3), |of| of[1]),
    many("clamp", 3, Some(3), clamp),
    many("pntchange", 5, Some(5), |of| {
        if of[1] == of[0] { of[0] } else { of[2] + (of[4] - of[0]) / (of[1] - of[0]) * (of[3] - of[2]) }
    }),
    many("poly", 2, None, |of| {
        let powers = (0..of.len() - 1).rev();
        of[1..].iter().zip(powers).map(|(factor, power)| factor * of[0].powf(power as f64)).sum()
    }),
    two("and", |a, b| truth(a != 0.0 && b != 0.0)),
    two("or", |a, b| truth(a != 0.0 || b != 0.0)),
    one("not", |a| truth(a == 0.0)),
    lazy("for", 4, None, false, repeat),
    lazy("many", 1, None, false, |scope, of, _| of.iter().try_fold(0.0, |_, node| scope.value(node))),
    two("land", |a, b| f64::from(a as u32 & b as u32)),
    two("lor", |a, b| f64::from(a as u32 | b as u32)),
];

pub(super) fn find(name: &str) -> Option<&'static Function> {
    TABLE.iter().find(|function| function.name == name)
}

impl Function {
    /// The number of arguments is right.
    pub(super) fn call(&self, scope: &mut Scope, arguments: &[Node], reference: &str) -> Result<f64, Wrong> {
        Ok(match self.run {
            Run::One(run) => run(scope.value(&arguments[0])?),
            Run::Two(run) => {
                let first = scope.value(&arguments[0])?;
                run(first, scope.value(&arguments[1])?)
            }
            Run::Many(run) => {
                let values = arguments.iter().map(|node| scope.value(node)).collect::<Result<Vec<f64>, Wrong>>()?;
                run(&values)
            }
            Run::Lazy(run) => run(scope, arguments, reference)?,
        })
    }
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn logn(scope: &mut Scope, of: &[Node], _: &str) -> Result<f64, Wrong> {
    let (value, base) = (scope.value(&of[0])?.ln(), scope.value(&of[1])?.ln());
    if base == 0.0 { Err(Wrong) } else { Ok(value / base) }
}

/// The next number from 0 to 32767 of the series that the variable holds.
fn next(scope: &mut Scope, seed: &str) -> f64 {
    let number = (scope.variable(seed) as i64).wrapping_mul(214_013).wrapping_add(2_531_011);
    scope.set(seed, number as f64);
    f64::from((number >> 16 & 0x7FFF) as u16)
}

fn random(scope: &mut Scope, of: &[Node], seed: &str) -> Result<f64, Wrong> {
    let (least, most) = (scope.value(&of[0])?, scope.value(&of[1])?);
    Ok(next(scope, seed) / 32_767.0 * (most - least) + least)
}

fn select(scope: &mut Scope, of: &[Node], _: &str) -> Result<f64, Wrong> {
    let by = scope.value(&of[0])?;
    let chosen = if by < 0.0 {
        1
    } else if by == 0.0 {
        2
    } else {
        of.len() - 1
    };
    scope.value(&of[chosen])
}

fn clamp(of: &[f64]) -> f64 {
    let rest = (of[0] - of[1]) % (of[2] - of[1]);
    rest + if rest < 0.0 { of[2] } else { of[1] }
}

/// `for(first, test, after, body…)`: the value of what was evaluated last in the body.
fn repeat(scope: &mut Scope, of: &[Node], _: &str) -> Result<f64, Wrong> {
    let mut value = 0.0;
    scope.value(&of[0])?;
    while scope.value(&of[1])? != 0.0 {
        for node in &of[3..] {
            value = scope.value(node)?;
        }
        scope.value(&of[2])?;
    }
    Ok(value)
}
