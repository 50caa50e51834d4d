// Sends what tests/sources/stage.py checks, with Segment's SDK for Node. Arguments: address, write key, number of
// events, time of the trigger. Prints the SDK's own errors and the number of its requests as JSON.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, count, at] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushAt: 60, flushInterval: 200, maxRetries: 10 })
const errors = []
let requests = 0
analytics.on('error', (error) => errors.push(String(error.reason ?? error)))
analytics.on('http_request', () => requests++)

analytics.identify({ userId: 'u', traits: { email: 'u@example.com', tier: 'gold' } })
analytics.track({
  userId: 'u',
  event: 'Push Notification Received',
  properties: { campaign: { name: 'o', medium: 'Push' } },
  timestamp: new Date(at),
  messageId: 'the-trigger',
})
for (let n = 0; n < Number(count); n++) {
  analytics.track({ userId: 'u', event: 'Song Played', properties: { n } })
}
analytics.track({
  userId: 'u',
  event: 'Order Completed',
  properties: { order_id: 'o-1', products: [{ product_id: 'shoe-1', price: 90 }] },
  messageId: 'the-exception',
})
await analytics.closeAndFlush({ timeout: 60000 })
console.log(JSON.stringify({ errors, requests }))
