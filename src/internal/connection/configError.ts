// Errors of a configuration, so that each says its key once: Effect puts the key in front of the message.
import * as ConfigError from "effect/ConfigError"
import * as Option from "effect/Option"

const isMissing = (error: ConfigError.ConfigError): error is ConfigError.MissingData => error._op === "MissingData"

const keyOf = ({ path }: ConfigError.MissingData) => path.join(".").toLowerCase()

// A value that is in no source is missing once.
const merged = (left: ConfigError.ConfigError, right: ConfigError.ConfigError): Option.Option<ConfigError.ConfigError> =>
  isMissing(left) && isMissing(right) && keyOf(left) === keyOf(right) ? Option.some(left) : Option.none()

/** Says each key once. */
export const concise = (error: ConfigError.ConfigError): ConfigError.ConfigError => {
  switch (error._op) {
    case "And":
      return ConfigError.And(concise(error.left), concise(error.right))
    case "Or": {
      const [left, right] = [concise(error.left), concise(error.right)]
      return Option.getOrElse(merged(left, right), () => ConfigError.Or(left, right))
    }
    case "MissingData":
      return ConfigError.MissingData(error.path, "Expected a value, but it is not set")
    default:
      return error
  }
}
