// Reads objects from JSON texts in less than half the time of JSON.parse and a check.
//
// A venue writes all objects of a kind in the same way: the same fields in the same order, with the same white space if any. From
// an object that was parsed and checked, and its text, this module learns a shape: a regular expression, made from the schema's
// plan, and a function that reads the texts that match it. A text that matches conforms to the schema. If a text does not match, the
// caller parses and checks it.
//
// The expression has no capture groups. Captures allocate an array, and a string for each number: more garbage than the
// values that are kept. Cutting the values out of a text that has matched takes half the time (measured).
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type { Fields, Plan } from "./plan.ts"
import { plan } from "./plan.ts"
import { conforms } from "./validator.ts"

/** Reads the value at an index of a text, where the regular expression has matched. */
type Read = (text: string, at: number) => unknown

interface Shape {
  readonly regex: RegExp
  readonly read: Read
}

// A variable part of a text.
interface Token {
  readonly is: "text" | "integer" | "boolean" | "levels"
  readonly pattern: string
  /** The variable in the generated code that gets its value. */
  readonly variable: string
}

// A value: the fixed and variable parts of its text, and the JavaScript expression, over the variables, that makes it.
interface Piece {
  readonly parts: ReadonlyArray<string | Token>
  readonly value: string
}

// The state of a shape while it is made.
interface Draft {
  variables: number
  /** The code of the objects' constructors. */
  readonly constructors: Array<string>
}

// The caller parses texts longer than this, because each value is a slice that keeps its whole text in memory. Also, a regular
// expression for thousands of fields can be made, but throws when it is used.
const longest = 2_048

// The most shapes that are kept. A venue writes a kind in one way or a few.
const most = 8

// ---------------------------------------------------------------------------------------------------------------------
// From a plan and an object to the parts of its text

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")

// Accepts only patterns of decimals, so that a match has no quote and no character that JSON escapes.
const numeric = /^\^((?:[-?+*()]|\\d|\\\.)+)\$$/
const numericPattern = ({ source }: RegExp): string | undefined => numeric.exec(source)?.[1]?.replaceAll("(", "(?:")

// A field's name is the only part of a text that gets into the code. It must be a plain identifier, and no property of
// Object.prototype.
const isName = (text: string) => /^[A-Za-z]\w{0,30}$/.test(text) && !(text in Object.prototype)

const token = (draft: Draft, is: Token["is"], pattern: string): Token => ({ is, pattern, variable: `v${draft.variables++}` })
const alone = (token: Token): Piece => ({ parts: [token], value: token.variable })
const quoted = (token: Token): Piece => ({ parts: [`"`, token, `"`], value: token.variable })
const literal = (value: unknown): Piece => {
  const text = JSON.stringify(value)
  return { parts: [text], value: text }
}

// A constructor, not an object literal. V8 allocates the objects of a literal in the old generation once many of them have
// survived, and only a full collection frees them there (measured: twice the time of a trade among a hundred streams).
const construct = (draft: Draft, fields: ReadonlyArray<readonly [name: string, value: string]>) => {
  const constructor = `Shape${draft.constructors.length}`
  const parameters = fields.map((_, index) => `p${index}`).join(", ")
  const body = fields.map(([name], index) => `this.${name} = p${index}`).join("; ")
  draft.constructors.push(`function ${constructor}(${parameters}) { ${body} } ${constructor}.prototype = Object.prototype`)
  return `new ${constructor}(${fields.map(([, value]) => value).join(", ")})`
}

// The plan of a field that the schema does not have: the type of its present value.
const planOfUnknown = (value: unknown): Plan | undefined => {
  if (value === null) return { is: "literal", value }
  if (typeof value === "string") return { is: "string" }
  if (typeof value === "boolean") return { is: "boolean" }
  return Number.isSafeInteger(value) ? { is: "integer" } : undefined
}

const pieceOf = (plan: Plan, value: unknown, draft: Draft): Piece | undefined => {
  switch (plan.is) {
    case "string":
      return quoted(token(draft, "text", String.raw`[^"\\\x00-\x1f]*`))
    case "integer":
      // An integer of fifteen digits is always safe.
      return alone(token(draft, "integer", String.raw`-?(?:0|[1-9]\d{0,14})`))
    case "boolean":
      return alone(token(draft, "boolean", "(?:true|false)"))
    case "literal":
      return typeof plan.value === "string" || plan.value === null ? literal(plan.value) : undefined
    case "pattern": {
      const pattern = numericPattern(plan.regex)
      return pattern === undefined ? undefined : quoted(token(draft, "text", pattern))
    }
    case "either": {
      const chosen = plan.plans.find((either) => conforms(either, value))
      return chosen === undefined ? undefined : pieceOf(chosen, value, draft)
    }
    case "list":
      return pieceOfLevels(plan.plan, draft)
    case "fields":
      return pieceOfFields(plan, value, draft)
    case "number":
    case "tuple":
      return undefined
  }
}

// The levels of a book: a list of pairs of decimals. The generated code cuts it at the quotes.
const pieceOfLevels = (plan: Plan, draft: Draft): Piece | undefined => {
  if (plan.is !== "tuple" || plan.plans.length !== 2) return undefined
  const [first, second] = plan.plans.map((each) => each.is === "pattern" ? numericPattern(each.regex) : undefined)
  if (first === undefined || second === undefined) return undefined
  const level = String.raw`\["${first}","${second}"\]`
  return alone(token(draft, "levels", String.raw`\[(?:${level}(?:,${level})*)?\]`))
}

const pieceOfFields = (plan: Fields, value: unknown, draft: Draft): Piece | undefined => {
  if (!Predicate.isReadonlyRecord(value)) return undefined
  const parts: Array<string | Token> = []
  const fields: Array<readonly [name: string, value: string]> = []
  for (const name of Object.keys(value)) {
    const field = plan.plans[plan.indexOf.get(name) ?? -1] ?? planOfUnknown(value[name])
    const piece = field === undefined || !isName(name) ? undefined : pieceOf(field, value[name], draft)
    if (piece === undefined) return undefined
    parts.push(`${fields.length === 0 ? "" : ","}"${name}":`, ...piece.parts)
    fields.push([name, piece.value])
  }
  return { parts: ["{", ...parts, "}"], value: construct(draft, fields) }
}

// ---------------------------------------------------------------------------------------------------------------------
// From the parts without white space to those of a text

// As JSON defines it.
const isWhiteSpace = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

/** The same parts, with the white space between them that a text has from `begin` on. Undefined if they are not the text. */
const spaced = (parts: Piece["parts"], text: string, begin: number): Piece["parts"] | undefined => {
  const found: Array<string | Token> = []
  let at = begin
  let fixed = begin
  let isQuoted = false
  const skip = () => {
    while (!isQuoted && isWhiteSpace(text.charCodeAt(at))) at++
  }
  for (const part of parts) {
    if (typeof part === "string") {
      // The end of a quoted text with an escape is not looked for.
      if (part.includes("\\")) return undefined
      for (let i = 0; i < part.length; i++, at++) {
        skip()
        if (text[at] !== part[i]) return undefined
        if (part[i] === `"`) isQuoted = !isQuoted
      }
      continue
    }
    skip()
    const pattern = new RegExp(part.pattern, "y")
    pattern.lastIndex = at
    if (!pattern.test(text)) return undefined
    found.push(text.slice(fixed, at), part)
    at = fixed = pattern.lastIndex
  }
  skip()
  return at === text.length ? [...found, text.slice(fixed)] : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// From the parts of a text to the code that reads it

const patternOf = (parts: Piece["parts"]) =>
  parts.map((part) => typeof part === "string" ? escaped(part) : part.pattern).join("")

// The statements that read a token at `from` and set `end` to the index after it. `next` is the character that follows it.
const readers: Readonly<Record<Token["is"], (variable: string, next: string) => string>> = {
  text: (variable) => `end = text.indexOf('"', from); const ${variable} = text.slice(from, end)`,
  integer: (variable, next) => `end = text.indexOf(${JSON.stringify(next)}, from); const ${variable} = integer(text, from, end)`,
  boolean: (variable) => `const ${variable} = text[from] === "t"; end = from + (${variable} ? 4 : 5)`,
  levels: (variable) =>
    `end = text[from + 1] === "]" ? from + 2 : text.indexOf("]]", from) + 2; const ${variable} = levels(text, from, end)`
}

const codeOf = (parts: Piece["parts"], value: string, { constructors }: Draft) => {
  const statements: Array<string> = []
  let fixed = 0
  for (const [index, part] of parts.entries()) {
    if (typeof part === "string") {
      fixed += part.length
      continue
    }
    const next = parts[index + 1]
    statements.push(`from = end + ${fixed}; ${readers[part.is](part.variable, typeof next === "string" ? next.slice(0, 1) : "")}`)
    fixed = 0
  }
  return `"use strict"
${constructors.join("\n")}
return (text, at) => {
let from, end = at
${statements.join("\n")}
return ${value}
}`
}

const integer = (text: string, from: number, end: number): number => {
  const isNegative = text[from] === "-"
  let value = 0
  for (let i = isNegative ? from + 1 : from; i < end; i++) value = value * 10 + text.charCodeAt(i) - 48
  return isNegative ? -value : value
}

// Reads the levels of a book. All quotes in their text are around decimals.
const levels = (text: string, from: number, end: number): ReadonlyArray<ReadonlyArray<string>> => {
  const all: Array<ReadonlyArray<string>> = []
  // Skips the two brackets and the quote.
  let start = from + 3
  while (start < end) {
    const price = text.indexOf(`"`, start)
    const next = price + `","`.length
    const quantity = text.indexOf(`"`, next)
    all.push([text.slice(start, price), text.slice(next, quantity)])
    start = quantity + `"],["`.length
  }
  return all
}

const isRead = (made: unknown): made is Read => typeof made === "function"

const shapeOf = (plan: Plan, value: unknown, ending: string, text: string, begin: number): Shape | undefined => {
  const draft: Draft = { variables: 0, constructors: [] }
  const piece = pieceOf(plan, value, draft)
  if (piece === undefined) return undefined
  const compact = [...piece.parts, ending]
  const parts = spaced(compact, text, begin) ?? compact
  try {
    // Generated code makes an object in a fifth of the time that a loop over the fields takes (measured).
    const make = new Function("integer", "levels", codeOf(parts, piece.value, draft))
    const read: unknown = Reflect.apply(make, undefined, [integer, levels])
    return isRead(read) ? { regex: new RegExp(`${patternOf(parts)}$`, "y"), read } : undefined
  } catch {
    // A content security policy, for example, can forbid code from text. Then the caller parses all texts.
    return undefined
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Reading and learning

export interface Shapes<A> {
  /** The value of a text that begins with `start`, if the text matches a shape. */
  readonly read: (text: unknown, start: string) => A | undefined
  /**
   * Learns a shape from a text that begins with `start`, whose value was parsed and conforms. It tries less and less often, so that
   * texts without a shape cost little.
   */
  readonly learn: (text: unknown, start: string, value: A) => void
}

const isShort = (text: unknown): text is string => typeof text === "string" && text.length <= longest
const isTimeToLearn = (missed: number) => missed < 1_024 ? Number.isInteger(Math.log2(missed)) : missed % 1_024 === 0

/** Reads and learns nothing. */
export const none = <A>(): Shapes<A> => ({ read: () => undefined, learn: () => undefined })

/** The shapes of texts that end with `ending` after the value. */
export const make = <A, I>(schema: Schema.Schema<A, I>, ending = "}"): Shapes<A> => {
  const planned = plan(schema.ast)
  // The latest first.
  let shapes: ReadonlyArray<Shape> = []
  let missed = 0
  // A match conforms to the schema, so the value has its type.
  const isBuilt = (_built: unknown): _built is A => true
  return {
    read: (text, start) => {
      if (!isShort(text) || !text.startsWith(start)) return undefined
      for (const { read, regex } of shapes) {
        regex.lastIndex = start.length
        if (!regex.test(text)) continue
        const built = read(text, start.length)
        if (isBuilt(built)) return built
      }
      return undefined
    },
    learn: (text, start, value) => {
      if (planned === undefined || !isShort(text) || !isTimeToLearn(++missed)) return
      const shape = shapeOf(planned, value, ending, text, start.length)
      if (shape === undefined || shapes.some(({ regex }) => regex.source === shape.regex.source)) return
      shapes = [shape, ...shapes].slice(0, most)
    }
  }
}
