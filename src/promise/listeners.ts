// The listeners of a handle, by the name of what they hear.
import * as Predicate from "effect/Predicate"
import { InvalidArgument, wrong } from "./InvalidArgument.ts"
import { asError } from "./run.ts"

type Sets<Events> = { readonly [Name in keyof Events]: Set<(event: Events[Name]) => void> }

/**
 * Calls a function of the caller. What it throws is reported as uncaught, as the platform does for an `EventTarget`: it reaches
 * neither other listeners nor the connection.
 */
export const call = <A>(listener: (event: A) => void, event: A): void => {
  try {
    listener(event)
  } catch (error) {
    queueMicrotask(() => {
      throw asError(error)
    })
  }
}

/** Checks the arguments of `on`. */
export const checkListener = (names: ReadonlyArray<string>, name: unknown, listener: unknown): void => {
  if (!Predicate.isString(name) || !names.includes(name)) {
    const given = Predicate.isString(name) ? `nothing called "${name}"` : "no such name"
    throw new InvalidArgument({ argument: "name", reason: `There is ${given} to listen to. The names are ${names.join(", ")}` })
  }
  if (!Predicate.isFunction(listener)) throw wrong("listener", `The listener of "${name}"`, "a function", listener)
}

export interface Listeners<Events> {
  /** Adds a listener. Returns a function that removes it. */
  readonly add: <Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void) => () => void
  /** The number of listeners. */
  readonly count: (name: keyof Events) => number
  readonly emit: <Name extends keyof Events>(name: Name, event: Events[Name]) => void
}

export const make = <Events>(sets: Sets<Events>): Listeners<Events> => ({
  add: (name, listener) => {
    // One of its own, so that a function that is added twice is removed once.
    const own: typeof listener = (event) => {
      listener(event)
    }
    sets[name].add(own)
    return () => {
      sets[name].delete(own)
    }
  },
  count: (name) => sets[name].size,
  emit: (name, event) => {
    for (const listener of [...sets[name]]) call(listener, event)
  }
})
