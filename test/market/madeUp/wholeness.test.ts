import { wholeness } from "../wholeness.ts"
import { meridian } from "./subject.ts"

wholeness(meridian)
