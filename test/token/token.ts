// `npm run token -- --name ci --may start,read --stores east,west`: makes a token, and prints it with its
// entry in API_TOKENS. --help lists the flags.

import { randomBytes } from "node:crypto";
import { USAGE, UsageError, issue } from "./issue.ts";

try {
  const issued = await issue(process.argv.slice(2), randomBytes(32));
  if (issued === null) console.log(USAGE);
  else {
    const { token, entry } = issued;
    if (token !== null) console.log(`The token, which is shown this once and kept nowhere:\n\n  ${token}\n`);
    console.log(`${token === null ? "The" : "Its"} entry in API_TOKENS:\n\n  ${JSON.stringify(entry)}\n`);
    console.log('The secret is the list of all entries: npx wrangler secret put API_TOKENS --env=""');
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
