-- The double-entry ledger of rent and what becomes of it. A posting is signed: a debit is positive, a credit negative;
-- USD in cents, USDC in micros. Rows are never changed: a mistake is mended by another transaction.

CREATE TABLE ledger_accounts (
    account_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    property_id uuid, -- NULL: the platform's own
    currency text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (kind, property_id, currency),
    -- the chart of accounts (payments/ledger.py): which kind is kept in which currency
    CHECK (
        currency = 'USD' AND kind IN (
            'TENANT_RECEIVABLE', 'STRIPE_CLEARING', 'BANK_IN_TRANSIT', 'CIRCLE_BALANCE', 'DISPUTED', 'CONVERSION', 'RENT_DUE',
            'RENT_INCOME', 'RENT_REFUNDS', 'DISPUTE_LOSSES', 'STRIPE_FEES', 'MANAGEMENT_FEE', 'MANAGEMENT_FEE_PAYABLE',
            'EXPENSES', 'EXPENSES_PAYABLE', 'RESERVE_CONTRIBUTION', 'RESERVE')
        OR currency = 'USDC' AND kind IN (
            'TREASURY_USDC', 'DISTRIBUTOR_USDC', 'CONVERSION', 'RESERVE_CONTRIBUTION', 'RESERVE', 'DIVIDENDS_SET_ASIDE',
            'DIVIDENDS_PAYABLE', 'DIVIDENDS_PAID', 'OWED', 'SALE_PROCEEDS', 'SALE_COSTS', 'EXIT_SET_ASIDE', 'EXIT_PAYABLE',
            'EXIT_PAID'))
);
CREATE INDEX ledger_accounts_by_property ON ledger_accounts (property_id);

CREATE TABLE ledger_transactions (
    transaction_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    reference text NOT NULL UNIQUE CHECK (reference <> ''), -- of what happened outside: posted once, whoever tells it again
    what text NOT NULL CHECK (what <> ''),
    at timestamptz NOT NULL, -- when it happened; posted_at: when we booked it
    content_sha256 bytea NOT NULL CHECK (length(content_sha256) = 32), -- of the postings: the same reference means the same
    posted_at timestamptz NOT NULL DEFAULT now(),
    posted_in xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX ledger_transactions_by_time ON ledger_transactions (at);

CREATE TABLE ledger_postings (
    transaction_id bigint NOT NULL REFERENCES ledger_transactions,
    account_id bigint NOT NULL REFERENCES ledger_accounts,
    amount bigint NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (transaction_id, account_id)
);
CREATE INDEX ledger_postings_by_account ON ledger_postings (account_id) INCLUDE (amount, transaction_id);

-- At the end of the database's transaction each currency sums to zero, and two currencies meet only in CONVERSION.
CREATE FUNCTION require_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unbalanced text;
    unconverted text;
    posting_count bigint;
BEGIN
    SELECT string_agg(currency || ' ' || total, ', ') FILTER (WHERE total <> 0),
           string_agg(currency, ', ') FILTER (WHERE NOT converts),
           sum(postings)
    INTO unbalanced, unconverted, posting_count
    FROM (SELECT currency, sum(amount) AS total, count(*) AS postings,
                 bool_or(kind = 'CONVERSION') OR count(*) OVER () = 1 AS converts
          FROM ledger_postings JOIN ledger_accounts USING (account_id)
          WHERE transaction_id = NEW.transaction_id GROUP BY currency) AS sums;
    IF posting_count IS NULL OR posting_count < 2 THEN
        RAISE EXCEPTION 'ledger transaction % has fewer than two postings', NEW.transaction_id USING ERRCODE = '23514';
    END IF;
    IF unbalanced IS NOT NULL THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero: %', NEW.transaction_id, unbalanced
            USING ERRCODE = '23514';
    END IF;
    IF unconverted IS NOT NULL THEN
        RAISE EXCEPTION 'ledger transaction % mixes currencies without a conversion', NEW.transaction_id
            USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER ledger_transactions_balance AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_balanced();
CREATE CONSTRAINT TRIGGER ledger_postings_balance AFTER INSERT ON ledger_postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_balanced();

-- Not even balanced postings are added to a transaction that stands.
CREATE FUNCTION require_same_xact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_current_xact_id() IS DISTINCT FROM
       (SELECT posted_in FROM ledger_transactions WHERE transaction_id = NEW.transaction_id) THEN
        RAISE EXCEPTION 'ledger transaction % is closed', NEW.transaction_id USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_postings_come_at_once BEFORE INSERT ON ledger_postings
    FOR EACH ROW EXECUTE FUNCTION require_same_xact();

CREATE TRIGGER ledger_accounts_stand BEFORE UPDATE OR DELETE ON ledger_accounts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_accounts_are_kept BEFORE TRUNCATE ON ledger_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transactions_stand BEFORE UPDATE OR DELETE ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transactions_are_kept BEFORE TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_postings_stand BEFORE UPDATE OR DELETE ON ledger_postings
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_postings_are_kept BEFORE TRUNCATE ON ledger_postings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE VIEW ledger_balances AS
    SELECT kind, property_id, currency, coalesce(sum(amount), 0)::bigint AS balance
    FROM ledger_accounts LEFT JOIN ledger_postings USING (account_id)
    GROUP BY account_id;
