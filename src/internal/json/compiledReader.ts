// Reads JSON texts of objects at less than half of what JSON.parse and a check cost together.
//
// A venue writes the objects of a kind in one way: the same fields in the same order, without spaces. That way is learned
// from an object that was parsed and checked: its shape, which is a regular expression made from the schema's plan, and a
// reader of what it matches. What matches is what the schema says; what does not, for whatever reason, is nothing here, and
// is parsed and checked as ever.
//
// Nothing is captured: an array of captures, and a string for each number, are more to collect than all that is kept, and
// to cut the values out of a text that is known to be right takes half the time (measured).
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type { Fields, Plan } from "./plan.ts"
import { plan } from "./plan.ts"
import { conforms } from "./validator.ts"

/** Reads the value that a text has at a place, where the regular expression has matched. */
type Read = (text: string, at: number) => unknown

interface Shape {
  readonly regex: RegExp
  readonly read: Read
}

// What stands in a text between what always stands there.
interface Token {
  readonly is: "text" | "integer" | "boolean" | "levels"
  readonly pattern: string
  /** The variable that holds its value when it was read. */
  readonly variable: string
}

// How a value is written, and the value itself: an expression over the variables.
interface Piece {
  readonly parts: ReadonlyArray<string | Token>
  readonly value: string
}

// What is written on the way to a shape.
interface Draft {
  variables: number
  /** The constructors of the objects. */
  readonly constructors: Array<string>
}

// What is cut out of a text is a slice of it, and keeps all of it in memory: so it must be short. And a regular expression
// for thousands of fields is made, and throws when it is used.
const longest = 2_048

// A venue has a few ways of writing, if more than one.
const most = 8

// ---------------------------------------------------------------------------------------------------------------------
// From a plan and an object to a shape

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")

// Only what it takes to write down decimals: what matches holds no quote and nothing that is escaped in JSON.
const numeric = /^\^((?:[-?+*()]|\\d|\\\.)+)\$$/
const numericPattern = ({ source }: RegExp): string | undefined => numeric.exec(source)?.[1]?.replaceAll("(", "(?:")

// Names are all that goes from what came into code, and only such as are nothing but names there, and of no object yet.
const isName = (text: string) => /^[A-Za-z]\w{0,30}$/.test(text) && !(text in Object.prototype)

const token = (draft: Draft, is: Token["is"], pattern: string): Token => ({ is, pattern, variable: `v${draft.variables++}` })
const alone = (token: Token): Piece => ({ parts: [token], value: token.variable })
const quoted = (token: Token): Piece => ({ parts: [`"`, token, `"`], value: token.variable })
const literal = (value: unknown): Piece => {
  const text = JSON.stringify(value)
  return { parts: [text], value: text }
}

// V8 puts what is made by a literal where only a collection of the whole heap frees it, once it has seen much of it alive
// (measured: twice the time a trade takes among a hundred streams); what a constructor makes, it does not.
const construct = (draft: Draft, fields: ReadonlyArray<readonly [name: string, value: string]>) => {
  const constructor = `Shape${draft.constructors.length}`
  const parameters = fields.map((_, index) => `p${index}`).join(", ")
  const body = fields.map(([name], index) => `this.${name} = p${index}`).join("; ")
  draft.constructors.push(`function ${constructor}(${parameters}) { ${body} } ${constructor}.prototype = Object.prototype`)
  return `new ${constructor}(${fields.map(([, value]) => value).join(", ")})`
}

// The schema says nothing of this field: it may stay what it is now.
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
      // Fifteen digits are safe.
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

// A list of pairs of decimals is cut at its quotes.
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
// From a shape to its reader

const patternOf = (parts: Piece["parts"]) =>
  parts.map((part) => typeof part === "string" ? escaped(part) : part.pattern).join("")

// Statements that read a token from `from` on, and leave `end` behind it. What comes next ends it.
const readers: Readonly<Record<Token["is"], (variable: string, next: string) => string>> = {
  text: (variable) => `end = text.indexOf('"', from); const ${variable} = text.slice(from, end)`,
  integer: (variable, next) => `end = text.indexOf("${next}", from); const ${variable} = integer(text, from, end)`,
  boolean: (variable) => `const ${variable} = text[from] === "t"; end = from + (${variable} ? 4 : 5)`,
  levels: (variable) =>
    `end = text[from + 1] === "]" ? from + 2 : text.indexOf("]]", from) + 2; const ${variable} = levels(text, from, end)`
}

const codeOf = ({ parts, value }: Piece, { constructors }: Draft) => {
  const lines: Array<string> = []
  let passed = 0
  for (const [index, part] of parts.entries()) {
    if (typeof part === "string") {
      passed += part.length
      continue
    }
    const next = parts[index + 1]
    lines.push(`from = end + ${passed}; ${readers[part.is](part.variable, typeof next === "string" ? next.slice(0, 1) : "")}`)
    passed = 0
  }
  return `"use strict"
${constructors.join("\n")}
return (text, at) => {
let from, end = at
${lines.join("\n")}
return ${value}
}`
}

const integer = (text: string, from: number, end: number): number => {
  const isNegative = text[from] === "-"
  let value = 0
  for (let i = isNegative ? from + 1 : from; i < end; i++) value = value * 10 + text.charCodeAt(i) - 48
  return isNegative ? -value : value
}

// Between its quotes are decimals, and nothing else has any.
const levels = (text: string, from: number, end: number): ReadonlyArray<ReadonlyArray<string>> => {
  const all: Array<ReadonlyArray<string>> = []
  // Past the two brackets and the quote.
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

const shapeOf = (plan: Plan, value: unknown, frameEnd: string): Shape | undefined => {
  const draft: Draft = { variables: 0, constructors: [] }
  const piece = pieceOf(plan, value, draft)
  if (piece === undefined) return undefined
  try {
    // An object whose fields are named in code is made in a fifth of the time (measured) that it takes to set one field
    // after another.
    const make = new Function("integer", "levels", codeOf(piece, draft))
    const read: unknown = Reflect.apply(make, undefined, [integer, levels])
    return isRead(read) ? { regex: new RegExp(`${patternOf([...piece.parts, frameEnd])}$`, "y"), read } : undefined
  } catch {
    // Where code must not be made from text, everything is parsed.
    return undefined
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// From a text to its value

export interface Shapes<A> {
  /** The value between the beginning of a text and its end, if it is written in a way that is known. */
  readonly read: (text: unknown, start: string) => A | undefined
  /**
   * Learns how the value of a text was written, which was parsed and conforms. Now and then only: what cannot be learned
   * shall not cost much.
   */
  readonly learn: (text: unknown, value: A) => void
}

const isShort = (text: unknown): text is string => typeof text === "string" && text.length <= longest
const isTimeToLearn = (missed: number) => missed < 1_024 ? Number.isInteger(Math.log2(missed)) : missed % 1_024 === 0

/** Reads nothing, and learns nothing. */
export const none = <A>(): Shapes<A> => ({ read: () => undefined, learn: () => undefined })

/** Of texts that end, after the value, with `frameEnd`. */
export const make = <A, I>(schema: Schema.Schema<A, I>, frameEnd = "}"): Shapes<A> => {
  const planned = plan(schema.ast)
  // The latest first.
  let shapes: ReadonlyArray<Shape> = []
  let missed = 0
  // Whatever a shape of its schema has built is.
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
    learn: (text, value) => {
      if (planned === undefined || !isShort(text) || !isTimeToLearn(++missed)) return
      const shape = shapeOf(planned, value, frameEnd)
      if (shape === undefined || shapes.some(({ regex }) => regex.source === shape.regex.source)) return
      shapes = [shape, ...shapes].slice(0, most)
    }
  }
}
