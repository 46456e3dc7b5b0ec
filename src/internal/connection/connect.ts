// From what a connection is told to the supervisor of its lives.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Options } from "../../Connection.ts"
import * as DialGate from "../../DialGate.ts"
import { Transport } from "../../Transport.ts"
import { resolve } from "./settings.ts"
import { supervise } from "./supervisor.ts"

export const connect = (options: Options) =>
  Effect.flatMap(
    Effect.all([Transport, Effect.serviceOption(DialGate.DialGate), resolve(options)]),
    ([transport, gate, settings]) => supervise(transport, Option.getOrElse(gate, () => DialGate.open), settings)
  )
