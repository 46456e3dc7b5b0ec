/**
 * Plays a recording to whoever listens to its streams.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Client } from "./Client.ts"
import * as Clients from "./Client.ts"
import type { Fault } from "./Fault.ts"
import type { Recorded, Replay } from "./Replay.ts"

/**
 * Whom it is played to, and what happens on the way.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly clients: ReadonlySet<Client>
  /** Called for every frame that goes out to a client. */
  readonly onSent: () => void
  /** What the cuts of the recording do. */
  readonly inject: (fault: Fault) => Effect.Effect<void>
}

/**
 * A recording that can be played.
 *
 * @since 0.1.0
 * @category models
 */
export interface Playback {
  /** The streams of the recording, which carry nothing else. */
  readonly streams: ReadonlySet<string>
  /** To be called whenever somebody may have begun to listen: while nobody does, the recording waits. */
  readonly listened: () => void
  /** Plays it once, from the beginning to the end. */
  readonly play: Effect.Effect<void>
  /** How many frames have been played. */
  readonly replayed: () => number
}

const decodeName = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ stream: Schema.String })))

const streamOf = ({ message }: Recorded) => Option.getOrUndefined(decodeName(message))?.stream ?? ""

/**
 * Makes the playback of a recording. One without frames is over at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  { cuts = [], messages, speed = Number.POSITIVE_INFINITY }: Replay,
  { clients, onSent, inject }: Options
): Playback => {
  const streams = new Set(messages.map(streamOf))
  const attached = Effect.unsafeMakeLatch(false)
  let replayed = 0

  const someone: Effect.Effect<void> = Effect.suspend(() => {
    const hears = (client: Client) => Clients.isListening(client) && [...client.streams].some((name) => streams.has(name))
    if ([...clients].some(hears)) return Effect.void
    attached.unsafeClose()
    return Effect.zipRight(attached.await, someone)
  })

  // Completes when the operating system has it, or the socket has failed.
  const hand = (client: Client, text: string) =>
    Effect.async<void>((resume) => {
      const sent = Clients.send(client, text, () => {
        resume(Effect.void)
      })
      if (sent) onSent()
      else resume(Effect.void)
    })

  const cut = Effect.suspend(() =>
    Effect.forEach(cuts.filter(({ after }) => after === replayed), ({ fault }) => inject(fault), { discard: true }))

  const playAll = Effect.forEach(messages, (played, i) => {
    const { message, receivedAt } = played
    const pace = Duration.seconds(Math.max(0, receivedAt - (messages[i - 1]?.receivedAt ?? receivedAt)) / speed)
    const name = streamOf(played)
    return Effect.sleep(pace).pipe(
      Effect.zipRight(someone),
      Effect.zipRight(Effect.suspend(() =>
        Effect.forEach([...clients].filter((client) => client.streams.has(name)), (client) => hand(client, message))
      )),
      Effect.zipRight(Effect.suspend(() => {
        replayed++
        return cut
      }))
    )
  }, { discard: true })

  const play = cuts.some(({ after }) => after === 0) ? someone.pipe(Effect.zipRight(cut), Effect.zipRight(playAll)) : playAll

  return {
    streams,
    listened: () => {
      attached.unsafeOpen()
    },
    play,
    replayed: () => replayed
  }
}
