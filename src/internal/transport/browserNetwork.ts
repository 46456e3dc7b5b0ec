// What a browser knows of its network (https://html.spec.whatwg.org/multipage/system-state.html#browser-state).
import * as Predicate from "effect/Predicate"
import type { Network } from "../../Transport.ts"

type Listen = (name: string, listener: () => void) => void

const functionOf = (scope: object, name: string): Listen | undefined => {
  const found: unknown = Reflect.get(scope, name)
  return typeof found === "function" ? (event, listener) => void Reflect.apply(found, scope, [event, listener]) : undefined
}

/** The network as this global scope knows it: of a window or a worker. Undefined elsewhere, as on Node. */
export const browserNetwork = (scope: object): Network | undefined => {
  const navigator: unknown = Reflect.get(scope, "navigator")
  const [listen, stop] = [functionOf(scope, "addEventListener"), functionOf(scope, "removeEventListener")]
  if (listen === undefined || stop === undefined) return undefined
  if (!Predicate.hasProperty(navigator, "onLine") || typeof navigator.onLine !== "boolean") return undefined
  return {
    isOnline: () => navigator.onLine !== false,
    onChange: (listener) => {
      for (const event of ["online", "offline"]) listen(event, listener)
      return () => {
        for (const event of ["online", "offline"]) stop(event, listener)
      }
    }
  }
}
