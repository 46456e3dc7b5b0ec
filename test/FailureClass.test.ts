import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { ConnectionError, FailureClass } from "holdfast"

const { Fatal, Limited, Passing, Retry, RetryAfter } = FailureClass
const seconds = (n: number) => RetryAfter({ floor: Duration.seconds(n) })

const closed = (code: number) => new ConnectionError.ConnectionClosed({ code, reason: "", openFor: Duration.zero })
const rejected = (status: number, retryAfter?: Duration.DurationInput) =>
  new ConnectionError.HandshakeRejected({
    status,
    retryAfter: Option.map(Option.fromNullable(retryAfter), Duration.decode),
    body: ""
  })
const failed = (code: string) => new ConnectionError.DialFailed({ code, reason: "" })

const table: ReadonlyArray<readonly [FailureClass.FailureClass, ReadonlyArray<ConnectionError.AttemptError>]> = [
  [Retry(), [1000, 1001, 1005, 1006, 1011, 1012, 1014, 3000, 4000, 4999].map(closed)],
  [seconds(5), [closed(1013)]],
  [Limited({ tries: 3 }), [closed(1008)]],
  [Passing({ tries: 1 }), [1002, 1007].map(closed)],
  [Fatal(), [1003, 1009, 1010].map(closed)],
  [Passing({ tries: 0 }), [closed(1015)]],
  [Passing({ tries: 0 }), [301, 302, 307, 400, 404, 405, 410, 418, 426, 451, 499].map((status) => rejected(status))],
  [Passing({ tries: 1 }), [401, 403].map((status) => rejected(status))],
  [Retry(), [408, 425, 500, 502, 504, 599].map((status) => rejected(status))],
  [seconds(5), [429, 503].map((status) => rejected(status))],
  [seconds(17), [429, 503].map((status) => rejected(status, "17 seconds"))],
  [seconds(3_600), [rejected(429, "3 days")]],
  [Fatal(), ["ERR_SUBPROTOCOL", "ERR_EXTENSION"].map(failed)],
  [
    Retry(),
    [
      "ECONNREFUSED",
      "ECONNRESET",
      "EPIPE",
      "ETIMEDOUT",
      "EHOSTUNREACH",
      "ENETUNREACH",
      "EAI_AGAIN",
      "ENOTFOUND",
      "ESOMETHINGNEW"
    ].map(failed)
  ],
  [seconds(10), ["EMFILE", "ENFILE"].map(failed)],
  [
    Passing({ tries: 0 }),
    [
      "CERT_HAS_EXPIRED",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "ERR_SSL_WRONG_VERSION_NUMBER"
    ].map(failed)
  ],
  [Fatal(), ["ERR_INVALID_REQUEST", "UNSUPPORTED_HEADERS"].map(failed)],
  [
    Retry(),
    (["open", "message", "pong"] as const).map((deadline) =>
      new ConnectionError.ConnectionTimeout({ deadline, after: Duration.seconds(1) })
    )
  ],
  [Retry(), [new ConnectionError.OptionUnavailable({ option: "url", cause: "" }), new ConnectionError.OnOpenFailed({ cause: "" })]],
  [Limited({ tries: 1 }), [new ConnectionError.MessageTooLarge({ limit: 1 })]],
  [Fatal(), [new ConnectionError.InvalidUrl({ reason: "" }), new ConnectionError.InboxOverflow({ capacity: 1, maxBytes: 1, bound: "capacity" })]]
]

describe("the standard table", () => {
  for (const [expected, errors] of table) {
    for (const error of errors) {
      const facts = "code" in error ? error.code : "status" in error ? error.status : "deadline" in error ? error.deadline : ""
      it(`classifies ${error._tag} ${facts} as ${expected._tag}`, () => {
        assert.deepStrictEqual(FailureClass.classify(error), expected)
      })
    }
  }

  it("tells local failures from remote ones", () => {
    assert.isTrue(FailureClass.isLocal(failed("EMFILE")))
    assert.isFalse(FailureClass.isLocal(failed("ECONNREFUSED")))
    assert.isTrue(FailureClass.isLocal(new ConnectionError.InboxOverflow({ capacity: 1, maxBytes: 1, bound: "capacity" })))
  })
})

describe("the message of an error", () => {
  it("is one sentence", () => {
    const sentences = [
      closed(1006).message,
      rejected(429, "17 seconds").message,
      new ConnectionError.HandshakeRejected({
        status: 403,
        retryAfter: Option.none(),
        body: `<p>\n  No \u001b[31m${"x".repeat(300)}\n</p>`
      }).message,
      new ConnectionError.DialFailed({ code: "ECONNREFUSED", reason: "nobody listens" }).message,
      new ConnectionError.OptionUnavailable({ option: "url", cause: new Error("no token") }).message,
      new ConnectionError.OptionUnavailable({ option: "url", cause: { secret: "x" } }).message,
      new ConnectionError.RetriesExhausted({ attempts: 1, elapsed: Duration.seconds(1), last: closed(1006), history: [] })
        .message
    ]
    assert.deepStrictEqual(sentences, [
      "The connection closed with code 1006, after 0ms.",
      "The server refused the upgrade with status 429, asking to wait 17s.",
      `The server refused the upgrade with status 403: "<p> No [31m${"x".repeat(189)}…". Check the credentials in the URL or the headers.`,
      "The dial failed with ECONNREFUSED: nobody listens.",
      "The option url gave no URL: no token.",
      "The option url gave no URL: no reason was given.",
      "Gave up after 1 retry in 1s; the last failure: The connection closed with code 1006, after 0ms."
    ])
  })
})
