//! `expr`: a calculator with variables and functions (mod_expr).
//!
//! What is wrong in an expression is never told: every mistake answers `!err!`.

mod functions;
mod parse;

use std::collections::HashMap;

use super::{Answer, Call, text};
use functions::Function;

/// The most nodes that one expression may evaluate: FreeSWITCH breaks off long loops in the same way.
const EVALUATIONS_MAX: u32 = 100_000;

/// The most bytes of the answer (mod_expr's buffer of 512 with a zero at its end).
const ANSWER_BYTES_MAX: usize = 511;

/// Why there is no value.
#[derive(Debug, PartialEq, Eq)]
struct Wrong;

/// An expression, ready to be evaluated.
#[derive(Debug, PartialEq)]
enum Node {
    Value(f64),
    Variable(String),
    Assign(String, Box<Node>),
    Negate(Box<Node>),
    Binary(char, Box<Node>, Box<Node>),
    Function { function: &'static Function, arguments: Vec<Node>, reference: Option<String> },
}

/// The values of variables, and how much may still be done.
#[derive(Debug)]
struct Scope {
    variables: HashMap<String, f64>,
    left: u32,
}

pub(super) fn expr(call: Call<'_>) -> Answer {
    text(evaluate(call.arguments).map_or("!err!".to_owned(), written))
}

/// The value of the last of several expressions, which `;` or `|` ends.
fn evaluate(text: &str) -> Result<f64, Wrong> {
    let mut text = text.replace('|', ";");
    if text.is_empty() {
        return Err(Wrong);
    }
    if !text.ends_with(';') {
        text.push(';');
    }
    let nodes = parse::parse(&text)?;
    let mut scope = Scope { variables: HashMap::new(), left: EVALUATIONS_MAX };
    nodes.iter().try_fold(0.0, |_, node| scope.value(node))
}

/// Ten places behind the point, without zeros at the end.
fn written(value: f64) -> String {
    if value.is_nan() {
        // Where the sign bit is set C writes it.
        return "nan".to_owned();
    }
    if value.is_infinite() {
        // The sign is lost there.
        return "inf".to_owned();
    }
    let mut text = format!("{value:.10}");
    text.truncate(ANSWER_BYTES_MAX);
    if text.contains('.') {
        let end = text.trim_end_matches('0').trim_end_matches('.').len();
        text.truncate(end);
    }
    text
}

impl Scope {
    fn value(&mut self, node: &Node) -> Result<f64, Wrong> {
        self.left = self.left.checked_sub(1).ok_or(Wrong)?;
        Ok(match node {
            Node::Value(value) => *value,
            Node::Variable(name) => self.variable(name),
            Node::Assign(name, node) => {
                let value = self.value(node)?;
                self.set(name, value);
                value
            }
            Node::Negate(node) => -self.value(node)?,
            Node::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                match operator {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    '/' if right == 0.0 => return Err(Wrong),
                    '/' => left / right,
                    _ => left.powf(right),
                }
            }
            Node::Function { function, arguments, reference } => {
                function.call(self, arguments, reference.as_deref().unwrap_or_default())?
            }
        })
    }

    fn variable(&self, name: &str) -> f64 {
        parse::constant(name).or(self.variables.get(name).copied()).unwrap_or(0.0)
    }

    fn set(&mut self, name: &str, value: f64) {
        self.variables.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_recorded_server_calculates() {
        for (expression, expected) in [
            ("1+1", "2"),
            ("1+2*3", "7"),
            ("(1+2)*3", "9"),
            ("2^3^2", "64"),
            ("-2^2", "4"),
            ("10/4", "2.5"),
            ("1/3", "0.3333333333"),
            ("1/0", "!err!"),
            ("1e3", "!err!"),
            ("0.1+0.2", "0.3"),
            ("x=5|x*2", "10"),
            ("x", "0"),
            ("a b", "!err!"),
            ("mod(7,3)", "1"),
            ("sqrt(-1)", "nan"),
            ("pow10(3)", "1000"),
            ("clip(5,1,3)", "1"),
            ("clamp(5,1,3)", "1"),
            ("poly(2,1,2,3)", "11"),
            ("for(x=0,below(x,5),x=x+1,y=y+x)|y", "10"),
            ("for(x=0,1,x=x+1,y=1)", "!err!"),
            ("rand(&s)", "0.001159668"),
            ("s=1|random(1,10,&s)", "1.01126133"),
            ("M_PI", "3.1415926536"),
            ("M_PI=3", "!err!"),
            ("mod(7)", "!err!"),
            ("1;;2", "!err!"),
            ("5#comment", "!err!"),
            (".", "0"),
            ("1.2.3", "!err!"),
            ("5*-3", "-15"),
            ("2^-1", "0.5"),
            ("9999999999999999999999", "10000000000000000000000"),
            ("recttopola(-1,-1)", "6.2831853072"),
            ("log(0)", "inf"),
            ("3 abs(3)", "3"),
            ("(1)(2)", "!err!"),
            ("", "!err!"),
        ] {
            let value = evaluate(expression).map_or("!err!".to_owned(), written);
            assert_eq!(value, expected, "{expression}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(evaluate(&deep), Err(Wrong));
        assert_eq!(evaluate(&"-".repeat(10_000)), Err(Wrong));
    }
}
