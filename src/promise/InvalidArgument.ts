// Checks what programs without types pass: a wrong argument is a typed error that says what to write.
import * as ConfigError from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

/**
 * An argument or an option is not allowed. It is thrown at once, or rejects the promise of the call.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidArgument extends Data.TaggedError("InvalidArgument")<{
  /** The name of the argument or of the option. */
  readonly argument: string
  /** The fault: a sentence without its full stop. */
  readonly reason: string
}> {
  override get message(): string {
    return `${this.reason}.`
  }
}

// The value itself may be secret.
const kindOf = (value: unknown): string => {
  if (value === undefined || value === null || typeof value === "number" || typeof value === "boolean") return String(value)
  if (typeof value === "string") return value === "" ? "an empty text" : "a text"
  return Array.isArray(value) ? "an array" : typeof value === "object" ? "an object" : `a ${typeof value}`
}

export const wrong = (argument: string, subject: string, allowed: string, given: unknown): InvalidArgument =>
  new InvalidArgument({ argument, reason: `${subject} must be ${allowed}, but is ${kindOf(given)}` })

/** Throws if the value of an option, called `subject`, is not allowed. */
export type Check = (value: unknown, name: string, subject: string) => void

const check = (allowed: string, isAllowed: (value: unknown) => boolean): Check => (value, name, subject) => {
  if (!isAllowed(value)) throw wrong(name, subject, allowed, value)
}

/** Checked elsewhere, by the part that uses the option. */
export const elsewhere: Check = () => undefined

export const isText = (value: unknown): value is string => typeof value === "string" && value !== ""

export const aText = check("a text that is not empty", isText)
export const aFunction = check("a function", Predicate.isFunction)
export const aBoolean = check("true or false", Predicate.isBoolean)
export const aSignal = check("an AbortSignal", (value) => value instanceof AbortSignal)
export const aConstructor = check(
  "a class like the WebSocket of browsers",
  (value) => Predicate.isFunction(value) && Reflect.get(value, "CLOSING") === 2
)
export const headers = check(
  "an object of texts, or a function that gives one",
  (value) => Predicate.isFunction(value) || (Predicate.isRecord(value) && Object.values(value).every(Predicate.isString))
)
export const texts = check(
  "an array of texts, or a function that gives one",
  (value) => Predicate.isFunction(value) || (Array.isArray(value) && value.every(isText))
)
export const oneOf = (names: ReadonlyArray<string>) =>
  check(`one of ${names.join(", ")}`, (value) => Predicate.isString(value) && names.includes(value))

/** The check of each option, by its name. */
export type Checks = Readonly<Record<string, Check>>

/** Checks the options of a function, or of one of its options: `subject`. An option that is undefined counts as missing. */
export const checkOptions = (subject: string, checks: Checks, given: unknown): void => {
  if (given === undefined) return
  if (!Predicate.isRecord(given)) throw wrong("options", `The options of ${subject}`, "an object", given)
  for (const [name, value] of Object.entries(given)) {
    const ofOption = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (ofOption === undefined) {
      const all = Object.keys(checks).join(", ")
      throw new InvalidArgument({ argument: name, reason: `${subject} has no option ${name}. Its options are ${all}` })
    }
    if (value !== undefined) ofOption(value, name, `The option ${name} of ${subject.replace(/^The /, "the ")}`)
  }
}

/** The check of an option that has options of its own. */
export const optionsOf = (checks: Checks): Check => (value, name, subject) => {
  if (!Predicate.isRecord(value)) throw wrong(name, subject, "an object", value)
  checkOptions(subject, checks, value)
}

const problemsOf = (error: ConfigError.ConfigError): ReadonlyArray<string> => {
  switch (error._op) {
    case "And":
    case "Or":
      return [...problemsOf(error.left), ...problemsOf(error.right)]
    default:
      return [`${error.path.join(".")}: ${error.message}`]
  }
}

/** An error of the options, which is a `ConfigError` within Effect, as an error of an argument. Others stay as they are. */
export const ofOptions = (error: unknown): unknown =>
  ConfigError.isConfigError(error)
    ? new InvalidArgument({ argument: "options", reason: `The options are not allowed. ${problemsOf(error).join(". ")}` })
    : error
