import { proxyActivities, workflowInfo } from '@temporalio/workflow';

/** One purchase. Users appear by id, because the input of a workflow is stored in its history. */
export interface Purchase {
  order: string;
  user: string;
  product: string;
  price: number;
}

/** The response of `POST /v1/interactions`. */
export interface Answer {
  results: { id: string | null; status: 'accepted' | 'duplicate' | 'invalid'; fault?: string }[];
}

interface Connector {
  record_interactions(body: { interactions: object[]; users?: object[] }): Promise<Answer>;
}

const connector = proxyActivities<Connector>({
  taskQueue: 'connector-default', // the connector's queue: `connector-` and the workspace
  startToCloseTimeout: '30 seconds',
});

/** Process an order (whatever that is for you), and report the purchase. */
export async function recordPurchase(purchase: Purchase): Promise<Answer> {
  const bought = {
    id: `purchase-${purchase.order}`, // counts once, however often it is reported
    user: purchase.user,
    type: 'make_purchase',
    occurred_at: workflowInfo().startTime.toISOString(),
    properties: { product: purchase.product, price: purchase.price, currency: 'EUR' },
  };
  return connector.record_interactions({ interactions: [bought] });
}
