import { proxyActivities, workflowInfo } from '@temporalio/workflow';

/** Who bought what. Users go by ids: what a workflow is given stands in its history. */
export interface Purchase {
  order: string;
  user: string;
  product: string;
  price: number;
}

/** What `POST /v1/interactions` answers. */
export interface Answer {
  results: { id: string | null; status: 'accepted' | 'duplicate' | 'invalid'; fault?: string }[];
}

interface Connector {
  record_interactions(body: { interactions: object[]; users?: object[] }): Promise<Answer>;
}

const connector = proxyActivities<Connector>({
  taskQueue: 'connector-default', // the connector's: `connector-` and its workspace
  startToCloseTimeout: '30 seconds',
});

/** Whatever your workflow does about an order, and the report of it. */
export async function recordPurchase(purchase: Purchase): Promise<Answer> {
  const bought = {
    id: `purchase-${purchase.order}`, // however often it is reported, it counts once
    user: purchase.user,
    type: 'make_purchase',
    occurred_at: workflowInfo().startTime.toISOString(),
    properties: { product: purchase.product, price: purchase.price, currency: 'EUR' },
  };
  return connector.record_interactions({ interactions: [bought] });
}
