// The version of the whole mesh, for whoever says or keeps it. docs/changelog.md says what each has changed,
// and what its number promises. A test holds it to package.json and to the changelog.

export const VERSION = "0.2.0";
