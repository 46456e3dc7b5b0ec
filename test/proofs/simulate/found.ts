/**
 * Plans that once broke an invariant, as the simulation had shrunk them, and what they broke; and such as show a deliberate
 * bug that chance shows seldom. They stay as they are.
 */
import type { Simulated } from "./Simulation.ts"

export interface Found {
  readonly what: string
  readonly simulated: Simulated
}

export const found: ReadonlyArray<Found> = [
  {
    what: "a book that had ended, or whose connection was lost, was taken for right when its snapshot came",
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
    what: "a stream that the successor's server refused was left behind by the renewal, and silent for ever",
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
    what: "a stream that only the successor carried went down with it when the renewal was given up",
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
    what: "candles that the REST interface had forgotten were left out without a gap",
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
    what: "a candle that a lagging REST interface did not know to be over was taken for closed",
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
    what: "a renewal went over to a successor that had just been lost too, and the book was taken for right meanwhile",
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
    what: "a stream that a socket had stopped carrying was not moved to another, since it was alone on its own",
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
    what: "an unsubscription that was refused was taken for one that was made, and a stream too many was asked for",
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
    what: "history that is kept from the very event that is missing was a hole with nothing in it",
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
    what: "a connection was given up while its successor was dialled, and the successor was thrown away with it",
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
    what: "a connection was given up, and its successor was closed, since it had not proven itself in time",
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
    what: "newcomers got the room of those that were moving there from another connection, and a venue's limit was passed",
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
    what: "while a hole was fetched more slid out of a small buffer, and so on: a stream was fetched for ever, and lagged behind",
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
    what: "a hole that cannot be fetched begins with the first event that is missing",
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
    what: "candles that the venue does not keep any more are a hole",
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
    what: "a successor that was given up after it had proven itself took the place of its predecessor",
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
          { kind: "blockTrade", symbol: "BTCUSDT", dawdles: 0, listens: false }
        ],
        steps: [
          { after: 0, action: { do: "rotate" } },
          { after: 236, action: { do: "start", reader: 0, resume: false } },
          { after: 94, action: { do: "close", on: "newest", code: 1003 } },
          { after: 0, action: { do: "rest", times: 1, fault: { how: "status", status: 400, retryAfter: undefined } } }
        ]
      }
    }
  }
]
