// Finds the names that a misspelled one may stand for.
import { distance } from "../binance/internal/distance.ts"

/** The nearest of some names: those that differ in few letters, and those that the text begins or that begin the text. */
export const near = (text: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const wrong = text.toLowerCase()
  const most = wrong.length < 4 ? 1 : 2
  const byDistance = names.map((name) => ({ name, far: distance(wrong, name, most) })).filter(({ far }) => far <= most)
  const least = Math.min(...byDistance.map(({ far }) => far))
  const nearest = byDistance.filter(({ far }) => far === least).map(({ name }) => name)
  return nearest.length > 0 ? nearest : wrong.length < 3 ? [] : names.filter((name) => name.startsWith(wrong) || wrong.startsWith(name))
}

/** Names, of which one is meant. */
export const either = (names: ReadonlyArray<string>): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1) ?? ""}`

/** A question after a sentence about a wrong name, or nothing if no name is near. */
export const didYouMean = (names: ReadonlyArray<string>): string => names.length === 0 ? "" : ` Did you mean ${either(names.slice(0, 3))}?`
