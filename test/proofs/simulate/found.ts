/**
 * Plans that once broke an invariant, as the simulation shrank them, each with the bug that it found; and plans that find
 * a deliberate bug that random plans find seldom. They do not change.
 */
import type { Simulated } from "./Simulation.ts"

export interface Found {
  /** The bug, in words. */
  readonly what: string
  readonly simulated: Simulated
}

export const found: ReadonlyArray<Found> = [
  {
    what: "a book that had ended, or had lost its connection, became readable when its snapshot came",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 2,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "book", symbol: "BTCUSDT", dawdles: 0 }],
        steps: [
          { after: 0, action: { do: "stall", lasts: 500 } },
          { after: 0, action: { do: "close", on: "all", code: 1003 } },
          { after: 0, action: { do: "lag", on: "all", by: 10 } }
        ]
      }
    }
  },
  {
    what: "a stream that the peer refused on the successor got no more data after the renewal",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "miniTicker", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "trade", symbol: "BTCUSDT", dawdles: 0 }
        ],
        steps: [
          { after: 20, action: { do: "acks", how: "refused", times: 2 } },
          { after: 0, action: { do: "shutdown", notice: 0 } },
          { after: 0, action: { do: "pause", reader: 0, lasts: 100 } }
        ]
      }
    }
  },
  {
    what: "a stream that only the successor brought ended with it when the renewal failed",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "book", symbol: "BTCUSDT", dawdles: 1 }],
        steps: [
          { after: 0, action: { do: "acks", how: "refusedWithId", times: 3 } },
          { after: 0, action: { do: "rotate" } },
          { after: 6795, action: { do: "pause", reader: 0, lasts: 908 } },
          { after: 94, action: { do: "lag", on: "all", by: 0 } },
          { after: 2153, action: { do: "mute", on: "all", stream: 0, until: "resubscribed" } }
        ]
      }
    }
  },
  {
    what: "candles that the REST interface no longer had were missing without a gap",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "kline_1s", symbol: "ETHUSDT", dawdles: 0 }],
        steps: [
          { after: 0, action: { do: "prune", keep: 1 } },
          { after: 1000, action: { do: "mute", on: "all", stream: 0, until: "resubscribed" } },
          { after: 0, action: { do: "restLags", by: 100, lasts: 16001 } },
          { after: 0, action: { do: "skip", on: "all", count: 1 } }
        ]
      }
    }
  },
  {
    what: "an unfinished candle of a lagging REST interface counted as closed",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "kline_1s", symbol: "ETHUSDT", dawdles: 0 }],
        steps: [
          { after: 0, action: { do: "restLags", by: 151, lasts: 23001 } },
          { after: 13715, action: { do: "acks", how: "lost", times: 1 } },
          { after: 6285, action: { do: "late", on: "all", count: 5, by: 50 } },
          { after: 3000, action: { do: "lag", on: "all", by: 10 } }
        ]
      }
    }
  },
  {
    what: "a renewal chose a successor that had just been lost, and the book was readable meanwhile",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "book", symbol: "BTCUSDT", dawdles: 1 },
          { kind: "trade", symbol: "BTCUSDT", dawdles: 0 }
        ],
        steps: [
          { after: 0, action: { do: "rotate" } },
          { after: 100, action: { do: "restart", downtime: 3418 } },
          { after: 1570, action: { do: "stall", lasts: 500 } }
        ]
      }
    }
  },
  {
    what: "a stale stream was not moved to another connection when it was alone on its own",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "kline_1s", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "trade", symbol: "BTCUSDT", dawdles: 1 }
        ],
        steps: [{ after: 60, action: { do: "mute", on: "all", stream: 0, until: "gone" } }]
      }
    }
  },
  {
    what: "a refused request to unsubscribe counted as done, and one stream too many was requested",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 2,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "trade", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "book", symbol: "BTCUSDT", dawdles: 1 },
          { kind: "trade", symbol: "ETHUSDT", dawdles: 0 }
        ],
        steps: [
          { after: 60, action: { do: "acks", how: "refused", times: 2 } },
          { after: 0, action: { do: "stop", reader: 0 } },
          { after: 0, action: { do: "reset", on: "newest" } },
          { after: 0, action: { do: "stall", lasts: 500 } }
        ]
      }
    }
  },
  {
    what: "history that began exactly at the missing event gave an empty gap",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "aggTrade", symbol: "BTCUSDT", dawdles: 0 }
        ],
        steps: [
          { after: 0, action: { do: "restart", downtime: 7350 } },
          { after: 13933, action: { do: "reset", on: "all" } },
          { after: 2352, action: { do: "prune", keep: 80 } },
          { after: 2355, action: { do: "reset", on: "all" } },
          { after: 0, action: { do: "restDown", lasts: 26524, fault: { how: "slow", by: 4971 } } },
          { after: 9824, action: { do: "malformed", on: "all" } },
          { after: 36, action: { do: "shutdown", notice: 0 } }
        ]
      }
    }
  },
  {
    what: "a connection failed while its successor was dialled, and the successor was closed with it",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 2,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "trade", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "trade", symbol: "ETHUSDT", dawdles: 0 },
          { kind: "miniTicker", symbol: "BTCUSDT", dawdles: 0 }
        ],
        steps: [
          { after: 0, action: { do: "dials", times: 1, fault: { how: "hang" } } },
          { after: 20, action: { do: "shutdown", notice: 61 } },
          { after: 60, action: { do: "close", on: "all", code: 1003 } },
          { after: 0, action: { do: "acks", how: "lost", times: 1 } }
        ]
      }
    }
  },
  {
    what: "a connection failed, and its successor was closed because it had not proven itself in time",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "trade", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "trade", symbol: "ETHUSDT", dawdles: 0 }
        ],
        steps: [
          { after: 0, action: { do: "dials", times: 6, fault: { how: "hang" } } },
          { after: 20, action: { do: "shutdown", notice: 61 } },
          { after: 60, action: { do: "close", on: "all", code: 1003 } },
          { after: 26000, action: { do: "reset", on: "all" } }
        ]
      }
    }
  },
  {
    what: "new streams took the room of streams that were moving in, and the venue's limit was exceeded",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 4,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "kline_1s", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "trade", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "aggTrade", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "miniTicker", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "kline_1s", symbol: "ETHUSDT", dawdles: 0 },
          { kind: "trade", symbol: "ETHUSDT", dawdles: 0 },
          { kind: "aggTrade", symbol: "ETHUSDT", dawdles: 0 },
          { kind: "miniTicker", symbol: "ETHUSDT", dawdles: 0 }
        ],
        steps: [
          { after: 3000, action: { do: "stop", reader: 2 } },
          { after: 0, action: { do: "stop", reader: 3 } },
          { after: 0, action: { do: "stop", reader: 5 } },
          { after: 0, action: { do: "stop", reader: 6 } },
          { after: 0, action: { do: "stop", reader: 7 } },
          { after: 5100, action: { do: "start", reader: 2, resume: false } },
          { after: 0, action: { do: "start", reader: 3, resume: false } }
        ]
      }
    }
  },
  {
    what: "events slid out of a small buffer during each repair, so that a stream was repaired for ever and lagged",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 16,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 200,
        bookLevels: 100,
        readers: [
          { kind: "trade", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "kline_1s", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "trade", symbol: "ETHUSDT", dawdles: 1 },
          { kind: "aggTrade", symbol: "BTCUSDT", dawdles: 0 },
          { kind: "book", symbol: "BTCUSDT", dawdles: 0 }
        ],
        steps: [
          { after: 3950, action: { do: "restDown", lasts: 1000, fault: { how: "status", status: 500, retryAfter: undefined } } },
          { after: 22, action: { do: "restDown", lasts: 14199, fault: { how: "status", status: 418, retryAfter: 12 } } },
          { after: 28, action: { do: "skip", on: "all", count: 34 } },
          { after: 2056, action: { do: "restLags", by: 100, lasts: 1000 } },
          { after: 114, action: { do: "stall", lasts: 500 } }
        ]
      }
    }
  },
  {
    what: "a gap that cannot be repaired did not begin at the first missing event",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "trade", symbol: "BTCUSDT", dawdles: 0 }],
        steps: [
          { after: 5000, action: { do: "restDown", lasts: 120000, fault: { how: "status", status: 403, retryAfter: undefined } } },
          { after: 20, action: { do: "skip", on: "all", count: 5 } }
        ]
      }
    }
  },
  {
    what: "candles that the venue does not keep any more were missing without a gap",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "kline_1s", symbol: "BTCUSDT", dawdles: 0 }],
        steps: [
          { after: 5000, action: { do: "restart", downtime: 20000 } },
          { after: 20000, action: { do: "prune", keep: 8 } }
        ]
      }
    }
  },
  {
    what: "a successor that failed after its proof replaced its predecessor",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "trade", symbol: "BTCUSDT", dawdles: 0, listens: false },
          { kind: "trade", symbol: "ETHUSDT", dawdles: 0, listens: false },
          { kind: "miniTicker", symbol: "BTCUSDT", dawdles: 1, listens: false },
          { kind: "notice", symbol: "BTCUSDT", dawdles: 0, listens: false }
        ],
        steps: [
          { after: 0, action: { do: "rotate" } },
          { after: 236, action: { do: "start", reader: 0, resume: false } },
          { after: 94, action: { do: "close", on: "newest", code: 1003 } },
          { after: 0, action: { do: "rest", times: 1, fault: { how: "status", status: 400, retryAfter: undefined } } }
        ]
      }
    }
  },
  {
    what: "a connection was closed after its renewal while its last events were on their way",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 25000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [
          { kind: "trade", symbol: "BTCUSDT", dawdles: 1, listens: false },
          { kind: "notice", symbol: "BTCUSDT", dawdles: 0, listens: false },
          { kind: "book", symbol: "BTCUSDT", dawdles: 0, listens: false },
          { kind: "aggTrade", symbol: "BTCUSDT", dawdles: 0, listens: false }
        ],
        steps: [
          { after: 20, action: { do: "lag", on: "all", by: 785 } },
          { after: 0, action: { do: "restDown", lasts: 9984, fault: { how: "hang" } } },
          { after: 13015, action: { do: "reorder", on: "all", count: 2 } },
          { after: 1781, action: { do: "rest", times: 1, fault: { how: "slow", by: 100 } } }
        ]
      }
    }
  },
  {
    what: "a disconnect while a connection closed for a reconnect on request was taken for a wrong state",
    simulated: {
      level: "connection",
      plan: {
        seed: 0,
        reconnect: {
          enabled: false,
          maxRetries: "unlimited",
          initialDelay: 1000,
          maxDelay: 60000,
          backoffMultiplier: 2,
          jitterFactor: 0.25,
          stableAfter: 5000,
          provenBy: "message"
        },
        openTimeout: 10000,
        messageTimeout: 30000,
        pingInterval: 20000,
        pongTimeout: 10000,
        inbox: { capacity: 4096, overflow: "suspend" },
        onOpen: "none",
        says: 1000,
        gate: false,
        listens: false,
        steps: [
          { after: 20, action: { do: "lag", on: "all", by: 10 } },
          { after: 0, action: { do: "reconnect" } },
          { after: 0, action: { do: "disconnect" } },
          { after: 0, action: { do: "dials", times: 1, fault: { how: "status", status: 500, retryAfter: undefined } } }
        ]
      }
    }
  },
  {
    what: "a slow message was cut because no part of it came between a check and the deadline just after",
    simulated: {
      level: "connection",
      plan: {
        seed: 0,
        reconnect: {
          enabled: true,
          maxRetries: "unlimited",
          initialDelay: 1000,
          maxDelay: 60000,
          backoffMultiplier: 2,
          jitterFactor: 0.25,
          stableAfter: 5000,
          provenBy: "pong"
        },
        openTimeout: 10000,
        messageTimeout: 30000,
        pingInterval: undefined,
        pongTimeout: 10000,
        inbox: { capacity: 4096, overflow: "suspend" },
        onOpen: "none",
        says: 20000,
        gate: false,
        listens: false,
        steps: [
          { after: 100, action: { do: "say", count: 1 } },
          { after: 0, action: { do: "trickle", on: "all", lasts: 60000 } },
          { after: 50, action: { do: "say", count: 1 } },
          { after: 60000, action: { do: "say", count: 1 } }
        ]
      }
    }
  },
  {
    what: "a check after a clock jump outlived its connection, and ended the next one",
    simulated: {
      level: "connection",
      plan: {
        seed: 0,
        reconnect: {
          enabled: true,
          maxRetries: "unlimited",
          initialDelay: 1000,
          maxDelay: 60000,
          backoffMultiplier: 2,
          jitterFactor: 0.25,
          stableAfter: 5000,
          provenBy: "pong"
        },
        openTimeout: 10000,
        messageTimeout: 30000,
        pingInterval: 20000,
        pongTimeout: 10000,
        inbox: { capacity: 4096, overflow: "suspend" },
        onOpen: "none",
        says: 1000,
        gate: false,
        listens: false,
        steps: [
          { after: 20, action: { do: "trickle", on: "all", lasts: 1001 } },
          { after: 0, action: { do: "sleep", lasts: 1000, peers: "stay" } },
          { after: 1000, action: { do: "reconnect" } }
        ]
      }
    }
  },
  {
    what: "a topic ended for want of an answer that was stuck behind a slow message",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "trade", symbol: "BTCUSDT", dawdles: 0, listens: false }],
        steps: [
          { after: 68, action: { do: "stop", reader: 0 } },
          { after: 32, action: { do: "trickle", on: "all", lasts: 44920 } },
          { after: 0, action: { do: "start", reader: 0, resume: false } },
          { after: 46000, action: { do: "rotate" } }
        ]
      }
    }
  },
  {
    what: "a session that nobody answered was proven by its pongs, and dialled again and again without a longer wait",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "trade", symbol: "BTCUSDT", dawdles: 0, listens: false }],
        steps: [
          { after: 0, action: { do: "deaf", lasts: 90000, how: "lost", nth: 1 } },
          { after: 80000, action: { do: "rotate" } }
        ]
      }
    }
  },
  {
    what: "a reader that was interrupted while the connection before its own was closed never ended",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "trade", symbol: "BTCUSDT", dawdles: 0, listens: false }],
        steps: [
          { after: 638, action: { do: "closeFrame", on: "all", code: 1003 } },
          { after: 186, action: { do: "mute", on: "all", stream: 0, until: "resubscribed" } },
          { after: 1176, action: { do: "stop", reader: 0 } },
          { after: 0, action: { do: "late", on: "all", count: 1, by: 50 } }
        ]
      }
    }
  },
  {
    what: "received trades were lost when an id that was none was taken for the trade that later had it",
    simulated: {
      level: "symbols",
      plan: {
        seed: 1,
        streamsPerConnection: 1024,
        symbols: [{ kind: "aggTrade", pace: 500, speaks: 50027, quiet: 0 }],
        crowd: 0,
        wrong: [],
        refusesWrong: false,
        joint: false,
        steps: [
          { after: 11_000, action: { do: "restDown", lasts: 9_546, fault: { how: "lies", lie: "ahead" } } },
          { after: 577, action: { do: "rogueId", symbol: 0, by: 20 } }
        ],
        lasts: 77927
      }
    }
  },
  {
    what: "trades came twice after an id that was none, since the market fell quiet",
    simulated: {
      level: "symbols",
      plan: {
        seed: 1,
        streamsPerConnection: 1024,
        symbols: [{ kind: "trade", pace: 1000, speaks: 44500, quiet: 120000 }],
        crowd: 0,
        wrong: [],
        refusesWrong: false,
        joint: false,
        steps: [
          { after: 43_200, action: { do: "rogueId", symbol: 0, by: 20 } }
        ],
        lasts: 60000
      }
    }
  },
  {
    what: "silence is taken for death",
    simulated: {
      level: "symbols",
      plan: {
        seed: 1,
        streamsPerConnection: 1024,
        symbols: [{ kind: "trade", pace: 500, speaks: 60000, quiet: 0 }, { kind: "trade", pace: 1000, speaks: 5000, quiet: 170000 }, { kind: "kline_1m", pace: 1000, speaks: 5000, quiet: 170000 }],
        crowd: 3,
        wrong: [],
        refusesWrong: false,
        joint: false,
        steps: [],
        lasts: 170000
      }
    }
  },
  {
    what: "a stream whose subscription dies within its first messages stays dead",
    simulated: {
      level: "symbols",
      plan: {
        seed: 1,
        streamsPerConnection: 1024,
        symbols: [{ kind: "trade", pace: 500, speaks: 60000, quiet: 0 }, { kind: "aggTrade", pace: 1000, speaks: 60000, quiet: 0 }],
        crowd: 0,
        wrong: [],
        refusesWrong: false,
        joint: false,
        steps: [
          { after: 5_000, action: { do: "dieYoung", symbol: 0, messages: 5, until: "resubscribed" } },
          { after: 5_000, action: { do: "dieYoung", symbol: 1, messages: 3, until: "gone" } }
        ],
        lasts: 180000
      }
    }
  },
  {
    what: "a stream that the venue has no more waits for ever",
    simulated: {
      level: "symbols",
      plan: {
        seed: 1,
        streamsPerConnection: 1024,
        symbols: [{ kind: "trade", pace: 500, speaks: 60000, quiet: 0 }, { kind: "kline_1m", pace: 1000, speaks: 60000, quiet: 0 }],
        crowd: 0,
        wrong: [],
        refusesWrong: false,
        joint: true,
        steps: [
          { after: 10_000, action: { do: "delist", symbol: 1, loses: true } }
        ],
        lasts: 60000
      }
    }
  },
  {
    what: "wrong names wait for ever",
    simulated: {
      level: "symbols",
      plan: {
        seed: 1,
        streamsPerConnection: 1024,
        symbols: [{ kind: "trade", pace: 500, speaks: 60000, quiet: 0 }],
        crowd: 0,
        wrong: ["s0usdt@trad", "s/0usdt@trade", "s0usdt@kline_7m", "nopeusdt@trade"],
        refusesWrong: false,
        joint: false,
        steps: [],
        lasts: 60000
      }
    }
  },
  {
    what: "a shuffled page is trusted",
    simulated: {
      level: "symbols",
      plan: {
        seed: 1,
        streamsPerConnection: 1024,
        symbols: [{ kind: "trade", pace: 500, speaks: 60000, quiet: 0 }],
        crowd: 0,
        wrong: [],
        refusesWrong: false,
        joint: false,
        steps: [
          { after: 5_000, action: { do: "restDown", lasts: 20_000, fault: { how: "lies", lie: "shuffled" } } },
          { after: 0, action: { do: "silence", on: "all" } }
        ],
        lasts: 60000
      }
    }
  },
  {
    what: "ids that begin anew are old ones",
    simulated: {
      level: "symbols",
      plan: {
        seed: 1,
        streamsPerConnection: 1024,
        symbols: [{ kind: "trade", pace: 500, speaks: 60000, quiet: 0 }],
        crowd: 0,
        wrong: [],
        refusesWrong: false,
        joint: false,
        steps: [
          { after: 5_000, action: { do: "renumber", symbol: 0, from: 1 } }
        ],
        lasts: 60000
      }
    }
  },
  {
    what: "streams that are dead move to a connection each",
    simulated: {
      level: "symbols",
      plan: {
        seed: 1,
        streamsPerConnection: 1024,
        symbols: [
          { kind: "trade", pace: 1000, speaks: 60000, quiet: 0 },
          { kind: "trade", pace: 1000, speaks: 60000, quiet: 0 },
          { kind: "trade", pace: 1000, speaks: 60000, quiet: 0 },
          { kind: "trade", pace: 1000, speaks: 60000, quiet: 0 },
          { kind: "trade", pace: 1000, speaks: 60000, quiet: 0 }
        ],
        crowd: 0,
        wrong: [],
        refusesWrong: false,
        joint: true,
        steps: [
          { after: 5000, action: { do: "dieYoung", symbol: 0, messages: 3, until: "gone" } },
          { after: 0, action: { do: "dieYoung", symbol: 1, messages: 3, until: "gone" } },
          { after: 0, action: { do: "dieYoung", symbol: 2, messages: 3, until: "gone" } },
          { after: 0, action: { do: "dieYoung", symbol: 3, messages: 3, until: "gone" } }
        ],
        lasts: 180000
      }
    }
  },
  {
    what: "a reader that began after an event outlived its feed",
    simulated: {
      level: "feed",
      plan: {
        seed: 0,
        market: 1,
        redundancy: 1,
        streamsPerConnection: 1024,
        buffer: 8192,
        repairLimit: 100000,
        maxAge: 86400000,
        serverMaxAge: 86400000,
        inbox: { capacity: 4096, overflow: "suspend" },
        weightPerMinute: 6000,
        bookLevels: 100,
        readers: [{ kind: "trade", symbol: "BTCUSDT", dawdles: 0, listens: false }],
        steps: [
          { after: 1600, action: { do: "close", on: "all", code: 1003 } },
          { after: 0, action: { do: "late", on: "all", count: 1, by: 50 } }
        ]
      }
    }
  }
]
