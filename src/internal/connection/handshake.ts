// Runs the protocol's own handshake, `onOpen`, with its deadline. Any failure or defect of it is an `OnOpenFailed`.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Handshake } from "../../Connection.ts"
import type { ConnectionTimeout } from "../../ConnectionError.ts"
import { OnOpenFailed } from "../../ConnectionError.ts"
import type { Options } from "./dial.ts"
import { withinOpenTimeout } from "./dial.ts"
import type { Settings } from "./settings.ts"

export const runHandshake = (
  onOpen: NonNullable<Settings["onOpen"]>,
  handshake: Handshake,
  { redactor, settings }: Pick<Options, "redactor" | "settings">
): Effect.Effect<void, OnOpenFailed | ConnectionTimeout> =>
  Effect.suspend(() => onOpen(handshake)).pipe(
    Effect.catchAllCause((cause) => Effect.fail(new OnOpenFailed({ cause: redactor.error(Cause.squash(cause)) }))),
    withinOpenTimeout(settings)
  )
