/** Partitions in a list, as actors are asked for them, and under their topics, as the wire has them. */
interface InTopic { readonly topic: string, readonly partition: number }

/** Topics in the order in which they first come; partitions in theirs. */
export function byTopic<Result extends InTopic, Row> (results: readonly Result[], row: (result: Result) => Row): Array<{ name: string, partitions: Row[] }> {
  const topics = new Map<string, Row[]>()
  for (const result of results) {
    const rows = topics.get(result.topic)
    if (rows === undefined) topics.set(result.topic, [row(result)])
    else rows.push(row(result))
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }))
}

interface Failed { readonly errorCode: number, readonly errorMessage: string | null }

export function errorRow ({ partition, errorCode, errorMessage }: InTopic & Failed): Failed & { readonly index: number } {
  return { index: partition, errorCode, errorMessage }
}
