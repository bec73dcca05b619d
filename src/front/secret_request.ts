// What the making of a secret for senders of events takes. Pure.

import { z } from "zod";
import { Span } from "../http/fields.ts";

const DAY_S = 24 * 3600;

export const SecretRequestSchema = z.strictObject({
  overlapSeconds: Span({ min: 0, max: 7 * DAY_S }).default(DAY_S),
});
