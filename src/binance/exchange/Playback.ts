/**
 * Plays a capture to the subscribers of its streams.
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
 * The parts of the exchange that a playback uses.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly clients: ReadonlySet<Client>
  /** Called for every message sent to a client. */
  readonly onSent: () => void
  /** Injects the faults of the capture. */
  readonly inject: (fault: Fault) => Effect.Effect<void>
}

/**
 * The playback of a capture.
 *
 * @since 0.1.0
 * @category models
 */
export interface Playback {
  /** The streams of the capture. The market does not send to them. */
  readonly streams: ReadonlySet<string>
  /** Must be called after each subscription: the playback pauses while its streams have no subscriber. */
  readonly onSubscribed: () => void
  /** Plays the capture once, from its first message to its last. */
  readonly play: Effect.Effect<void>
  /** The number of messages that have been played. */
  readonly replayed: () => number
}

const decodeName = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ stream: Schema.String })))

const streamOf = ({ message }: Recorded) => Option.getOrUndefined(decodeName(message))?.stream ?? ""

/**
 * Makes the playback of a capture. Without messages, `play` completes at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  { cuts = [], messages, speed = Number.POSITIVE_INFINITY }: Replay,
  { clients, onSent, inject }: Options
): Playback => {
  const streams = new Set(messages.map(streamOf))
  const subscribed = Effect.unsafeMakeLatch(false)
  let replayed = 0

  const awaitSubscriber: Effect.Effect<void> = Effect.suspend(() => {
    const isSubscriber = (client: Client) =>
      Clients.canReceive(client) && [...client.streams].some((name) => streams.has(name))
    if ([...clients].some(isSubscriber)) return Effect.void
    subscribed.unsafeClose()
    return Effect.zipRight(subscribed.await, awaitSubscriber)
  })

  // Completes when the operating system has taken the message, or the socket has failed.
  const write = (client: Client, text: string) =>
    Effect.async<void>((resume) => {
      const sent = Clients.send(client, text, () => {
        resume(Effect.void)
      })
      if (sent) onSent()
      else resume(Effect.void)
    })

  const injectCuts = Effect.suspend(() =>
    Effect.forEach(cuts.filter(({ after }) => after === replayed), ({ fault }) => inject(fault), { discard: true }))

  const playAll = Effect.forEach(messages, (played, i) => {
    const { message, receivedAt } = played
    const pace = Duration.seconds(Math.max(0, receivedAt - (messages[i - 1]?.receivedAt ?? receivedAt)) / speed)
    const name = streamOf(played)
    return Effect.sleep(pace).pipe(
      Effect.zipRight(awaitSubscriber),
      Effect.zipRight(Effect.suspend(() =>
        Effect.forEach([...clients].filter((client) => client.streams.has(name)), (client) => write(client, message))
      )),
      Effect.zipRight(Effect.suspend(() => {
        replayed++
        return injectCuts
      }))
    )
  }, { discard: true })

  const play = cuts.some(({ after }) => after === 0)
    ? awaitSubscriber.pipe(Effect.zipRight(injectCuts), Effect.zipRight(playAll))
    : playAll

  return {
    streams,
    onSubscribed: () => {
      subscribed.unsafeOpen()
    },
    play,
    replayed: () => replayed
  }
}
