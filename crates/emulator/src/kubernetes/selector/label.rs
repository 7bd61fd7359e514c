//! Label selectors: `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a>1`, `a<1`.

use serde_json::Value;

use crate::kubernetes::object;
use crate::kubernetes::status::Failure;

/// One requirement; a selector is the conjunction of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Requirement {
    pub(super) fn matches(&self, object: &Value) -> bool {
        let label =
            object::meta(object, "labels").and_then(|labels| labels.get(&self.key)).and_then(Value::as_str);
        let number = || label.and_then(|label| label.parse::<i64>().ok());
        match &self.operator {
            Operator::Exists => label.is_some(),
            Operator::Absent => label.is_none(),
            Operator::In(values) => label.is_some_and(|label| values.iter().any(|value| value == label)),
            Operator::NotIn(values) => label.is_none_or(|label| values.iter().all(|value| value != label)),
            Operator::Above(limit) => number().is_some_and(|number| number > *limit),
            Operator::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

/// Splits into words and the symbols `! = == != < > ( ) ,`.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if !character.is_whitespace() && !"!=<>(),".contains(character) {
            word.push(character);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if !character.is_whitespace() {
            let mut symbol = character.to_string();
            if "=!".contains(character) && characters.next_if_eq(&'=').is_some() {
                symbol.push('=');
            }
            tokens.push(symbol);
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

fn is_symbol(token: &str) -> bool {
    token.starts_with(['!', '=', '<', '>', '(', ')', ','])
}

/// Parses a selector; the empty one has no requirements.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, Failure> {
    let tokens = tokens(text);
    let mut rest = tokens.iter().map(String::as_str).peekable();
    let mut requirements = Vec::new();
    while rest.peek().is_some() {
        requirements.push(requirement(&mut rest)?);
        match rest.next() {
            None => break,
            Some(",") if rest.peek().is_some() => {}
            Some(",") => return Err(found("", "identifier after ','")),
            Some(other) => return Err(found(other, "',' or 'end of string'")),
        }
    }
    Ok(requirements)
}

fn found(found: &str, expected: &str) -> Failure {
    Failure::bad_request(format!("unable to parse requirement: found '{found}', expected: {expected}"))
}

fn requirement<'a>(
    tokens: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
) -> Result<Requirement, Failure> {
    let negated = tokens.next_if_eq(&"!").is_some();
    let key = tokens.next().unwrap_or_default();
    if is_symbol(key) || key.is_empty() {
        return Err(Failure::bad_request(format!(
            "found '{key}', expected: !, identifier, or 'end of string'"
        )));
    }
    let key = key.to_owned();
    if negated {
        return Ok(Requirement { key, operator: Operator::Absent });
    }
    let operator = match tokens.peek().copied() {
        None | Some(",") => return Ok(Requirement { key, operator: Operator::Exists }),
        Some(operator) => operator,
    };
    tokens.next();
    let operator = match operator {
        "=" | "==" => Operator::In(vec![value(tokens)]),
        "!=" => Operator::NotIn(vec![value(tokens)]),
        "in" => Operator::In(values(tokens)?),
        "notin" => Operator::NotIn(values(tokens)?),
        ">" | "gt" => Operator::Above(number(&value(tokens))?),
        "<" | "lt" => Operator::Below(number(&value(tokens))?),
        other => return Err(found(other, "in, notin, =, ==, !=, gt, lt")),
    };
    Ok(Requirement { key, operator })
}

/// The value after an operator; it may be missing, which is the empty value.
fn value<'a>(tokens: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> String {
    tokens.next_if(|token| !is_symbol(token)).unwrap_or_default().to_owned()
}

fn number(text: &str) -> Result<i64, Failure> {
    text.parse().map_err(|_| {
        Failure::bad_request(format!("unable to parse requirement: values[0][{text}]: Invalid value: \"{text}\": for 'Gt', 'Lt' operators, the value must be an integer"))
    })
}

fn values<'a>(
    tokens: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
) -> Result<Vec<String>, Failure> {
    if tokens.next_if_eq(&"(").is_none() {
        let found = tokens.next().unwrap_or_default();
        return Err(Failure::bad_request(format!(
            "unable to parse requirement: found '{found}' expected: '('"
        )));
    }
    let mut values = vec![value(tokens)];
    loop {
        match tokens.next() {
            Some(",") => values.push(value(tokens)),
            Some(")") => return Ok(values),
            other => return Err(found(other.unwrap_or_default(), "',', or ')'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(selector: &str) -> bool {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "", "n": "5"}}});
        parse(selector).expect(selector).iter().all(|requirement| requirement.matches(&object))
    }

    #[test]
    fn every_operator() {
        for yes in [
            "",
            "app",
            "!none",
            "app=web",
            "app==web",
            "app!=db",
            "none!=x",
            "app in (web, db)",
            "app notin (db)",
            "none notin (db)",
            "tier=",
            "tier in ()",
            "n>4",
            "n<6",
            "n gt 4",
            "app=web,n>4,!none",
            " app = web ",
        ] {
            assert!(selects(yes), "{yes}");
        }
        for no in [
            "none",
            "!app",
            "app=db",
            "app!=web",
            "app in (db)",
            "app notin (web,db)",
            "n>5",
            "app>1",
            "app,none",
        ] {
            assert!(!selects(no), "{no}");
        }
        for wrong in ["a b c", "=b", "a in b", "a in (b", "a=b,", "n>x", ",", "a=b c=d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
