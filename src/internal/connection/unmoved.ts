// What a socket that does not count its bytes has moved.
import type { Progress, Socket } from "../../Transport.ts"

const unmoved: Progress = { received: 0, control: 0, sent: 0, unsent: 0 }

const none = () => unmoved

/** The progress of a socket. Without it, only messages and pongs are signs of life. */
export const progressOf = ({ progress }: Socket): () => Progress => progress ?? none
