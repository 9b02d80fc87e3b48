/** For the metadata, the OpenAPI document and the line of the start; no header of a response carries it. */
export const NAME = 'Scopegate'
/** The version of package.json: held by a test. */
export const VERSION = '0.2.0'
