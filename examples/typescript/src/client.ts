import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { recordPurchase } from './workflows';

/** Start the workflow of one order and print the result of the report. */
async function purchase(client: Client, order: string, user: string, product: string, price: string): Promise<void> {
  const answer = await client.workflow.execute<typeof recordPurchase>('recordPurchase', {
    args: [{ order, user, product, price: Number(price) }],
    workflowId: `order-${order}`,
    taskQueue: 'shop',
  });
  console.log(JSON.stringify(answer));
}

/** Signal a waiting follow-up that its user wrote the review: an exception, which cancels it. */
async function reportReview(client: Client, workflowId: string): Promise<void> {
  await client.workflow.getHandle(workflowId).signal('exception', { type: 'event', name: 'review_written' });
  console.log('signalled');
}

async function main([verb, ...words]: string[]): Promise<void> {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const connection = await Connection.connect(connectionOptions);
  const client = new Client({ connection, namespace });
  if (verb === 'purchase' && words.length === 4) {
    await purchase(client, ...(words as [string, string, string, string]));
  } else if (verb === 'exception' && words.length === 1) {
    await reportReview(client, words[0]);
  } else {
    throw new Error('usage: purchase ORDER USER PRODUCT PRICE, or: exception WORKFLOW_ID');
  }
  await connection.close();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
