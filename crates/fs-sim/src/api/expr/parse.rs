//! Expressions from text. Where an operator divides a text is looked for from the weakest on, the last one of its
//! strength first; there is no grammar beside that, and some odd texts are understood.

use std::f64::consts;

use super::{Node, Wrong, functions};

/// The longest name or number.
const WORD_BYTES_MAX: usize = 255;

/// How deep expressions may lie in each other: as deep as anybody writes, and no danger for the stack.
const DEPTH_MAX: usize = 100;

const CONSTANTS: [(&str, f64); 14] = [
    ("M_E", consts::E),
    ("M_LOG2E", consts::LOG2_E),
    ("M_LOG10E", consts::LOG10_E),
    ("M_LN2", consts::LN_2),
    ("M_LN10", consts::LN_10),
    ("M_PI", consts::PI),
    ("M_PI_2", consts::FRAC_PI_2),
    ("M_PI_4", consts::FRAC_PI_4),
    ("M_1_PI", consts::FRAC_1_PI),
    ("M_2_PI", consts::FRAC_2_PI),
    ("M_1_SQRTPI", consts::FRAC_2_SQRT_PI / 2.0),
    ("M_2_SQRTPI", consts::FRAC_2_SQRT_PI),
    ("M_SQRT2", consts::SQRT_2),
    ("M_1_SQRT2", consts::FRAC_1_SQRT_2),
];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Sign(char),
    Value(f64),
    Name(String),
}

pub(super) fn constant(name: &str) -> Option<f64> {
    CONSTANTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The expressions of a text, each of which ends with a `;`.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Wrong> {
    let tokens = tokens(text)?;
    if tokens.last() != Some(&Token::Sign(';')) {
        return Err(Wrong);
    }
    let expressions = tokens[..tokens.len() - 1].split(|token| *token == Token::Sign(';'));
    expressions.map(|tokens| expression(tokens, 0)).collect()
}

fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '#' => rest.find(['\r', '\n']).unwrap_or(rest.len()),
            c if c.is_ascii_whitespace() => 1,
            '(' | ')' | '+' | '-' | '*' | '/' | '^' | '&' | ';' | ',' | '=' => {
                found.push(Token::Sign(c));
                1
            }
            c if c == '.' || c.is_ascii_digit() => {
                let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
                let whole = digits(rest);
                let point = usize::from(rest[whole..].starts_with('.'));
                let length = whole + point + digits(&rest[whole + point..]);
                found.push(Token::Value(rest[..length].parse().unwrap_or(0.0)));
                length
            }
            c if c == '_' || c.is_ascii_alphabetic() => {
                let length = rest.bytes().take_while(|byte| *byte == b'_' || byte.is_ascii_alphanumeric()).count();
                found.push(Token::Name(rest[..length].to_owned()));
                length
            }
            _ => return Err(Wrong),
        };
        if length > WORD_BYTES_MAX && c != '#' {
            return Err(Wrong);
        }
        rest = &rest[length..];
    }
    Ok(found)
}

/// Where the operators and the first parentheses of an expression are, outside of any parentheses.
#[derive(Debug, Default)]
struct Places {
    assign: Option<usize>,
    add: Option<usize>,
    multiply: Option<usize>,
    power: Option<usize>,
    sign: Option<usize>,
    open: Option<usize>,
    close: Option<usize>,
}

impl Places {
    fn find(tokens: &[Token]) -> Result<Places, Wrong> {
        let mut places = Places::default();
        let mut depth = 0_usize;
        for (at, token) in tokens.iter().enumerate() {
            let Token::Sign(sign) = token else { continue };
            match sign {
                '(' => {
                    depth += 1;
                    places.open = places.open.or(Some(at));
                }
                ')' => {
                    depth = depth.checked_sub(1).ok_or(Wrong)?;
                    if depth == 0 {
                        places.close = places.close.or(Some(at));
                    }
                }
                _ if depth > 0 => {}
                '=' => places.assign = places.assign.or(Some(at)),
                '*' | '/' => places.multiply = Some(at),
                '^' => places.power = Some(at),
                '+' | '-' => {
                    let before = at.checked_sub(1).map(|before| &tokens[before]);
                    if matches!(before, None | Some(Token::Sign('=' | '+' | '-' | '*' | '/' | '^'))) {
                        places.sign = places.sign.or(Some(at));
                    } else {
                        places.add = Some(at);
                    }
                }
                _ => {}
            }
        }
        if depth == 0 { Ok(places) } else { Err(Wrong) }
    }
}

fn expression(tokens: &[Token], depth: usize) -> Result<Node, Wrong> {
    if tokens.is_empty() || depth > DEPTH_MAX {
        return Err(Wrong);
    }
    let places = Places::find(tokens)?;
    let inner = |tokens: &[Token]| expression(tokens, depth + 1).map(Box::new);
    if let Some(at) = places.assign {
        return match &tokens[..at] {
            [Token::Name(name)] if constant(name).is_none() => {
                Ok(Node::Assign(name.clone(), inner(&tokens[at + 1..])?))
            }
            _ => Err(Wrong),
        };
    }
    if let Some(at) = places.add.or(places.multiply).or(places.power) {
        let Token::Sign(operator) = tokens[at] else { return Err(Wrong) };
        return Ok(Node::Binary(operator, inner(&tokens[..at])?, inner(&tokens[at + 1..])?));
    }
    if let Some(at) = places.sign {
        return match tokens[at] {
            _ if at > 0 => Err(Wrong),
            Token::Sign('+') => expression(&tokens[1..], depth + 1),
            _ => Ok(Node::Negate(inner(&tokens[1..])?)),
        };
    }
    match (places.open, places.close, tokens) {
        (Some(0), Some(close), _) if close + 1 == tokens.len() => expression(&tokens[1..close], depth + 1),
        (Some(0), ..) => Err(Wrong),
        // What stands before a function's name is not looked at.
        (Some(open), Some(close), _) => function(tokens, open, close, depth),
        (.., [Token::Value(value)]) => Ok(Node::Value(*value)),
        (.., [Token::Name(name)]) => Ok(Node::Variable(name.clone())),
        _ => Err(Wrong),
    }
}

fn function(tokens: &[Token], open: usize, close: usize, depth: usize) -> Result<Node, Wrong> {
    let Token::Name(name) = &tokens[open - 1] else { return Err(Wrong) };
    let function = functions::find(name).ok_or(Wrong)?;
    let mut arguments = Vec::new();
    let mut references = Vec::new();
    for argument in fields(&tokens[open + 1..close]) {
        match argument {
            [Token::Sign('&'), Token::Name(name)] if constant(name).is_none() => references.push(name.clone()),
            [Token::Sign('&'), ..] => return Err(Wrong),
            argument => arguments.push(expression(argument, depth + 1)?),
        }
    }
    let most = function.most.unwrap_or(usize::MAX);
    if !(function.least..=most).contains(&arguments.len()) || references.len() != usize::from(function.refers) {
        return Err(Wrong);
    }
    Ok(Node::Function { function, arguments, reference: references.pop() })
}

/// Cuts at commas outside of parentheses.
fn fields(tokens: &[Token]) -> Vec<&[Token]> {
    if tokens.is_empty() {
        return Vec::new();
    }
    let mut depth = 0_i32;
    let is_end = |token: &Token| {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            _ => {}
        }
        depth == 0 && *token == Token::Sign(',')
    };
    tokens.split(is_end).collect()
}
