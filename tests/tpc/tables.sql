-- The tables of TPC-H and those of TPC-DS that q4, q38, q78 and q87 read, at a tiny scale. ${root} is replaced by the test.
-- Values are integer arithmetic on numbers of rows (i, or o: order, n: line, p: part, k: offer), the same for every engine,
-- a date is a number of days since 1970-01-01, cast as only DataFusion does.
-- The big tables have 3 or 4 files, whose statements differ in the range only.

-- TPC-H

COPY (
  SELECT i AS r_regionkey, ['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'][i + 1] AS r_name,
    'region ' || CAST(i AS VARCHAR) AS r_comment
  FROM generate_series(0, 4) AS t(i)
) TO '${root}/region/0.parquet';

COPY (
  SELECT i AS n_nationkey,
    ['ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA', 'IRAN', 'IRAQ',
     'JAPAN', 'JORDAN', 'KENYA', 'MOROCCO', 'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA', 'SAUDI ARABIA', 'VIETNAM', 'RUSSIA',
     'UNITED KINGDOM', 'UNITED STATES'][i + 1] AS n_name,
    [0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1][i + 1] AS n_regionkey,
    'nation ' || CAST(i AS VARCHAR) AS n_comment
  FROM generate_series(0, 24) AS t(i)
) TO '${root}/nation/0.parquet';

-- Suppliers are from 7 nations, so that the nations that the queries name have some.
COPY (
  SELECT i AS s_suppkey, 'Supplier#' || lpad(CAST(i AS VARCHAR), 9, '0') AS s_name, 'street ' || CAST(i * 37 % 11 AS VARCHAR) AS s_address,
    [2, 3, 6, 7, 8, 12, 20][1 + i % 7] AS s_nationkey,
    CAST(10 + [2, 3, 6, 7, 8, 12, 20][1 + i % 7] AS VARCHAR) || '-555-' || CAST(1000 + i AS VARCHAR) AS s_phone,
    CAST(CAST((i * 3823 + 13) % 10007 - 1000 AS DECIMAL(15, 2)) + CAST(i AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS s_acctbal,
    CASE WHEN i % 6 = 1 THEN 'Customer had Complaints' ELSE 'supplier ' || CAST(i AS VARCHAR) END AS s_comment
  FROM generate_series(1, 20) AS t(i)
) TO '${root}/supplier/0.parquet';

COPY (
  SELECT i AS c_custkey, 'Customer#' || lpad(CAST(i AS VARCHAR), 9, '0') AS c_name, 'street ' || CAST(i * 41 % 17 AS VARCHAR) AS c_address,
    [2, 3, 6, 7, 8, 12, 20, 1, 18, 0][1 + i * 3823 % 10007 % 10] AS c_nationkey,
    CAST(10 + [2, 3, 6, 7, 8, 12, 20, 1, 18, 0][1 + i * 3823 % 10007 % 10] AS VARCHAR) || '-555-' || CAST(1000 + i AS VARCHAR) AS c_phone,
    CAST(CAST((i * 6203 + 29) % 10007 - 1000 AS DECIMAL(15, 2)) + CAST(i AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS c_acctbal,
    ['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'MACHINERY', 'HOUSEHOLD'][1 + i * 4201 % 10009 % 5] AS c_mktsegment,
    'customer ' || CAST(i AS VARCHAR) AS c_comment
  FROM generate_series(1, 60) AS t(i)
) TO '${root}/customer/0.parquet';

COPY (
  SELECT i AS p_partkey,
    ['green', 'forest', 'almond', 'azure', 'linen'][1 + i * 3701 % 10007 % 5] || ' ' ||
      ['green', 'ivory', 'khaki', 'lime'][1 + i * 2927 % 10009 % 4] AS p_name,
    'Manufacturer#' || CAST(1 + i % 5 AS VARCHAR) AS p_mfgr, ['Brand#12', 'Brand#23', 'Brand#34', 'Brand#45'][1 + i * 6131 % 10007 % 4] AS p_brand,
    ['ECONOMY', 'PROMO', 'MEDIUM', 'STANDARD'][1 + i * 7039 % 10009 % 4] || ' ' || ['ANODIZED', 'POLISHED'][1 + i * 4229 % 10007 % 2] || ' ' ||
      ['STEEL', 'BRASS'][1 + i * 5807 % 10009 % 2] AS p_type,
    CAST([3, 9, 14, 15, 5, 19, 49][1 + i * 5779 % 10007 % 7] AS INT) AS p_size,
    ['SM CASE', 'MED BOX', 'LG BOX', 'MED BAG', 'SM PKG', 'LG CASE'][1 + i * 6343 % 10009 % 6] AS p_container,
    CAST(900 + i + CAST(i % 10 AS DECIMAL(15, 2)) / 10 AS DECIMAL(15, 2)) AS p_retailprice, 'part ' || CAST(i AS VARCHAR) AS p_comment
  FROM generate_series(1, 80) AS t(i)
) TO '${root}/part/0.parquet';

-- Part p has the suppliers (p + 7 k) % 20 + 1, k being 0 or 1, lineitem keeps to it.
COPY (
  SELECT p AS ps_partkey, (p + 7 * k) % 20 + 1 AS ps_suppkey, CAST(1 + (p * 3823 + k * 5861) % 10007 % 199 AS INT) AS ps_availqty,
    CAST(CAST(100 + (p * 6203 + k * 3019) % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(15, 2)) AS ps_supplycost,
    'offer ' || CAST(p * 2 + k AS VARCHAR) AS ps_comment
  FROM generate_series(1, 80) AS t(p) CROSS JOIN generate_series(0, 1) AS u(k)
) TO '${root}/partsupp/0.parquet';

-- Every third customer has no orders.
COPY (
  SELECT o AS o_orderkey, 3 * (o * 3823 % 10007 % 20) + 1 + o * 3701 % 10009 % 2 AS o_custkey,
    CASE WHEN o * 5861 % 10007 % 2406 < 1140 THEN 'F' WHEN o * 5861 % 10007 % 2406 > 1264 THEN 'O' ELSE 'P' END AS o_orderstatus,
    CAST(CAST(90000 + (o * 6203 + 17) % 10009 * 40 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS o_totalprice,
    CAST(CAST(8035 + o * 5861 % 10007 % 2406 AS INT) AS DATE) AS o_orderdate,
    ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'][1 + o * 4201 % 10007 % 5] AS o_orderpriority,
    'Clerk#' || lpad(CAST(o % 9 AS VARCHAR), 9, '0') AS o_clerk, CAST(0 AS INT) AS o_shippriority,
    CASE WHEN o * 5807 % 10009 % 7 = 0 THEN 'special packages, requests' ELSE 'order ' || CAST(o AS VARCHAR) END AS o_comment
  FROM generate_series(1, 100) AS t(o)
) TO '${root}/orders/0.parquet';

COPY (
  SELECT o AS o_orderkey, 3 * (o * 3823 % 10007 % 20) + 1 + o * 3701 % 10009 % 2 AS o_custkey,
    CASE WHEN o * 5861 % 10007 % 2406 < 1140 THEN 'F' WHEN o * 5861 % 10007 % 2406 > 1264 THEN 'O' ELSE 'P' END AS o_orderstatus,
    CAST(CAST(90000 + (o * 6203 + 17) % 10009 * 40 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS o_totalprice,
    CAST(CAST(8035 + o * 5861 % 10007 % 2406 AS INT) AS DATE) AS o_orderdate,
    ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'][1 + o * 4201 % 10007 % 5] AS o_orderpriority,
    'Clerk#' || lpad(CAST(o % 9 AS VARCHAR), 9, '0') AS o_clerk, CAST(0 AS INT) AS o_shippriority,
    CASE WHEN o * 5807 % 10009 % 7 = 0 THEN 'special packages, requests' ELSE 'order ' || CAST(o AS VARCHAR) END AS o_comment
  FROM generate_series(101, 200) AS t(o)
) TO '${root}/orders/1.parquet';

COPY (
  SELECT o AS o_orderkey, 3 * (o * 3823 % 10007 % 20) + 1 + o * 3701 % 10009 % 2 AS o_custkey,
    CASE WHEN o * 5861 % 10007 % 2406 < 1140 THEN 'F' WHEN o * 5861 % 10007 % 2406 > 1264 THEN 'O' ELSE 'P' END AS o_orderstatus,
    CAST(CAST(90000 + (o * 6203 + 17) % 10009 * 40 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS o_totalprice,
    CAST(CAST(8035 + o * 5861 % 10007 % 2406 AS INT) AS DATE) AS o_orderdate,
    ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'][1 + o * 4201 % 10007 % 5] AS o_orderpriority,
    'Clerk#' || lpad(CAST(o % 9 AS VARCHAR), 9, '0') AS o_clerk, CAST(0 AS INT) AS o_shippriority,
    CASE WHEN o * 5807 % 10009 % 7 = 0 THEN 'special packages, requests' ELSE 'order ' || CAST(o AS VARCHAR) END AS o_comment
  FROM generate_series(201, 300) AS t(o)
) TO '${root}/orders/2.parquet';

-- An order has 1 to 7 lines, each is shipped 1 to 121 days after the order and received 1 to 30 days after that.
COPY (
  SELECT o AS l_orderkey, p AS l_partkey, (p + 7 * k) % 20 + 1 AS l_suppkey, CAST(n AS INT) AS l_linenumber, CAST(q AS DECIMAL(15, 2)) AS l_quantity,
    CAST(q * (900 + p + CAST(p % 10 AS DECIMAL(15, 2)) / 10) AS DECIMAL(15, 2)) AS l_extendedprice,
    CAST(CAST(i * 4201 % 10007 % 11 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS l_discount,
    CAST(CAST(i * 4229 % 10009 % 9 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS l_tax,
    CASE WHEN received > 9298 THEN 'N' WHEN i % 2 = 0 THEN 'R' ELSE 'A' END AS l_returnflag, CASE WHEN shipped > 9298 THEN 'O' ELSE 'F' END AS l_linestatus,
    CAST(CAST(shipped AS INT) AS DATE) AS l_shipdate, CAST(CAST(ordered + 30 + i * 2927 % 10007 % 61 AS INT) AS DATE) AS l_commitdate,
    CAST(CAST(received AS INT) AS DATE) AS l_receiptdate,
    ['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'][1 + i * 6131 % 10009 % 4] AS l_shipinstruct,
    ['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'][1 + i * 6343 % 10007 % 7] AS l_shipmode, 'line ' || CAST(i AS VARCHAR) AS l_comment
  FROM (
    SELECT o, n, i, 1 + i * 3823 % 10007 % 80 AS p, i * 5807 % 10009 % 2 AS k, 1 + i * 5779 % 10007 % 50 AS q, ordered,
      ordered + 1 + i * 7039 % 10009 % 121 AS shipped, ordered + 2 + i * 7039 % 10009 % 121 + i * 3701 % 10007 % 30 AS received
    FROM (
      SELECT o, n, 7 * o + n AS i, 8035 + o * 5861 % 10007 % 2406 AS ordered
      FROM generate_series(1, 75) AS t(o) CROSS JOIN generate_series(1, 7) AS u(n)
      WHERE n <= 1 + o * 5 % 7
    )
  )
) TO '${root}/lineitem/0.parquet';

COPY (
  SELECT o AS l_orderkey, p AS l_partkey, (p + 7 * k) % 20 + 1 AS l_suppkey, CAST(n AS INT) AS l_linenumber, CAST(q AS DECIMAL(15, 2)) AS l_quantity,
    CAST(q * (900 + p + CAST(p % 10 AS DECIMAL(15, 2)) / 10) AS DECIMAL(15, 2)) AS l_extendedprice,
    CAST(CAST(i * 4201 % 10007 % 11 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS l_discount,
    CAST(CAST(i * 4229 % 10009 % 9 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS l_tax,
    CASE WHEN received > 9298 THEN 'N' WHEN i % 2 = 0 THEN 'R' ELSE 'A' END AS l_returnflag, CASE WHEN shipped > 9298 THEN 'O' ELSE 'F' END AS l_linestatus,
    CAST(CAST(shipped AS INT) AS DATE) AS l_shipdate, CAST(CAST(ordered + 30 + i * 2927 % 10007 % 61 AS INT) AS DATE) AS l_commitdate,
    CAST(CAST(received AS INT) AS DATE) AS l_receiptdate,
    ['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'][1 + i * 6131 % 10009 % 4] AS l_shipinstruct,
    ['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'][1 + i * 6343 % 10007 % 7] AS l_shipmode, 'line ' || CAST(i AS VARCHAR) AS l_comment
  FROM (
    SELECT o, n, i, 1 + i * 3823 % 10007 % 80 AS p, i * 5807 % 10009 % 2 AS k, 1 + i * 5779 % 10007 % 50 AS q, ordered,
      ordered + 1 + i * 7039 % 10009 % 121 AS shipped, ordered + 2 + i * 7039 % 10009 % 121 + i * 3701 % 10007 % 30 AS received
    FROM (
      SELECT o, n, 7 * o + n AS i, 8035 + o * 5861 % 10007 % 2406 AS ordered
      FROM generate_series(76, 150) AS t(o) CROSS JOIN generate_series(1, 7) AS u(n)
      WHERE n <= 1 + o * 5 % 7
    )
  )
) TO '${root}/lineitem/1.parquet';

COPY (
  SELECT o AS l_orderkey, p AS l_partkey, (p + 7 * k) % 20 + 1 AS l_suppkey, CAST(n AS INT) AS l_linenumber, CAST(q AS DECIMAL(15, 2)) AS l_quantity,
    CAST(q * (900 + p + CAST(p % 10 AS DECIMAL(15, 2)) / 10) AS DECIMAL(15, 2)) AS l_extendedprice,
    CAST(CAST(i * 4201 % 10007 % 11 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS l_discount,
    CAST(CAST(i * 4229 % 10009 % 9 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS l_tax,
    CASE WHEN received > 9298 THEN 'N' WHEN i % 2 = 0 THEN 'R' ELSE 'A' END AS l_returnflag, CASE WHEN shipped > 9298 THEN 'O' ELSE 'F' END AS l_linestatus,
    CAST(CAST(shipped AS INT) AS DATE) AS l_shipdate, CAST(CAST(ordered + 30 + i * 2927 % 10007 % 61 AS INT) AS DATE) AS l_commitdate,
    CAST(CAST(received AS INT) AS DATE) AS l_receiptdate,
    ['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'][1 + i * 6131 % 10009 % 4] AS l_shipinstruct,
    ['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'][1 + i * 6343 % 10007 % 7] AS l_shipmode, 'line ' || CAST(i AS VARCHAR) AS l_comment
  FROM (
    SELECT o, n, i, 1 + i * 3823 % 10007 % 80 AS p, i * 5807 % 10009 % 2 AS k, 1 + i * 5779 % 10007 % 50 AS q, ordered,
      ordered + 1 + i * 7039 % 10009 % 121 AS shipped, ordered + 2 + i * 7039 % 10009 % 121 + i * 3701 % 10007 % 30 AS received
    FROM (
      SELECT o, n, 7 * o + n AS i, 8035 + o * 5861 % 10007 % 2406 AS ordered
      FROM generate_series(151, 225) AS t(o) CROSS JOIN generate_series(1, 7) AS u(n)
      WHERE n <= 1 + o * 5 % 7
    )
  )
) TO '${root}/lineitem/2.parquet';

COPY (
  SELECT o AS l_orderkey, p AS l_partkey, (p + 7 * k) % 20 + 1 AS l_suppkey, CAST(n AS INT) AS l_linenumber, CAST(q AS DECIMAL(15, 2)) AS l_quantity,
    CAST(q * (900 + p + CAST(p % 10 AS DECIMAL(15, 2)) / 10) AS DECIMAL(15, 2)) AS l_extendedprice,
    CAST(CAST(i * 4201 % 10007 % 11 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS l_discount,
    CAST(CAST(i * 4229 % 10009 % 9 AS DECIMAL(15, 2)) / 100 AS DECIMAL(15, 2)) AS l_tax,
    CASE WHEN received > 9298 THEN 'N' WHEN i % 2 = 0 THEN 'R' ELSE 'A' END AS l_returnflag, CASE WHEN shipped > 9298 THEN 'O' ELSE 'F' END AS l_linestatus,
    CAST(CAST(shipped AS INT) AS DATE) AS l_shipdate, CAST(CAST(ordered + 30 + i * 2927 % 10007 % 61 AS INT) AS DATE) AS l_commitdate,
    CAST(CAST(received AS INT) AS DATE) AS l_receiptdate,
    ['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'][1 + i * 6131 % 10009 % 4] AS l_shipinstruct,
    ['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'][1 + i * 6343 % 10007 % 7] AS l_shipmode, 'line ' || CAST(i AS VARCHAR) AS l_comment
  FROM (
    SELECT o, n, i, 1 + i * 3823 % 10007 % 80 AS p, i * 5807 % 10009 % 2 AS k, 1 + i * 5779 % 10007 % 50 AS q, ordered,
      ordered + 1 + i * 7039 % 10009 % 121 AS shipped, ordered + 2 + i * 7039 % 10009 % 121 + i * 3701 % 10007 % 30 AS received
    FROM (
      SELECT o, n, 7 * o + n AS i, 8035 + o * 5861 % 10007 % 2406 AS ordered
      FROM generate_series(226, 300) AS t(o) CROSS JOIN generate_series(1, 7) AS u(n)
      WHERE n <= 1 + o * 5 % 7
    )
  )
) TO '${root}/lineitem/3.parquet';

-- TPC-DS

-- Names are NULL for some, and shared by others.
COPY (
  SELECT i AS c_customer_sk, lpad(CAST(i AS VARCHAR), 16, 'A') AS c_customer_id,
    CASE WHEN i % 7 <> 3 THEN ['Ann', 'Bob', 'Eve', 'Max'][1 + i % 4] END AS c_first_name,
    CASE WHEN i % 11 <> 5 THEN ['Smith', 'Jones', 'Brown'][1 + i % 3] END AS c_last_name,
    ['Y', 'N'][1 + i % 2] AS c_preferred_cust_flag, CASE WHEN i % 5 <> 0 THEN ['PERU', 'JAPAN', 'TOGO'][1 + i % 3] END AS c_birth_country,
    CAST(NULL AS VARCHAR) AS c_login, 'c' || CAST(i AS VARCHAR) || '@example.org' AS c_email_address
  FROM generate_series(1, 40) AS t(i)
) TO '${root}/ds_customer/0.parquet';

-- Every third day from 2000-01-01 on, 1200 is the month of 2000-01. A day's key is its Julian day.
COPY (
  SELECT 2451545 + i AS d_date_sk, d_date, CAST(extract(YEAR FROM d_date) AS INT) AS d_year,
    CAST(12 * (extract(YEAR FROM d_date) - 1900) + extract(MONTH FROM d_date) - 1 AS INT) AS d_month_seq
  FROM (SELECT 3 * n AS i, CAST(CAST(10957 + 3 * n AS INT) AS DATE) AS d_date FROM generate_series(0, 364) AS t(n))
) TO '${root}/date_dim/0.parquet';

-- Sales are on 36 days of these three years, a few have no day or no customer.

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 3823 % 10007 % 36) END AS ss_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 5779 % 10009 % 40 END AS ss_customer_sk,
    1 + i * 4201 % 10007 % 8 AS ss_item_sk, 1 + i - i % 3 AS ss_ticket_number, CAST(1 + i * 3701 % 10009 % 100 AS INT) AS ss_quantity,
    CAST(CAST(100 + i * 3823 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ss_wholesale_cost,
    CAST(CAST(200 + i * 5779 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ss_sales_price,
    CAST(CAST(i * 4201 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_discount_amt,
    CAST(CAST(100 + i * 3701 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_sales_price,
    CAST(CAST(50 + i * 3823 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_wholesale_cost,
    CAST(CAST(150 + i * 5779 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_list_price
  FROM generate_series(1, 150) AS t(i)
) TO '${root}/store_sales/0.parquet';

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 3823 % 10007 % 36) END AS ss_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 5779 % 10009 % 40 END AS ss_customer_sk,
    1 + i * 4201 % 10007 % 8 AS ss_item_sk, 1 + i - i % 3 AS ss_ticket_number, CAST(1 + i * 3701 % 10009 % 100 AS INT) AS ss_quantity,
    CAST(CAST(100 + i * 3823 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ss_wholesale_cost,
    CAST(CAST(200 + i * 5779 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ss_sales_price,
    CAST(CAST(i * 4201 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_discount_amt,
    CAST(CAST(100 + i * 3701 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_sales_price,
    CAST(CAST(50 + i * 3823 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_wholesale_cost,
    CAST(CAST(150 + i * 5779 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_list_price
  FROM generate_series(151, 300) AS t(i)
) TO '${root}/store_sales/1.parquet';

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 3823 % 10007 % 36) END AS ss_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 5779 % 10009 % 40 END AS ss_customer_sk,
    1 + i * 4201 % 10007 % 8 AS ss_item_sk, 1 + i - i % 3 AS ss_ticket_number, CAST(1 + i * 3701 % 10009 % 100 AS INT) AS ss_quantity,
    CAST(CAST(100 + i * 3823 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ss_wholesale_cost,
    CAST(CAST(200 + i * 5779 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ss_sales_price,
    CAST(CAST(i * 4201 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_discount_amt,
    CAST(CAST(100 + i * 3701 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_sales_price,
    CAST(CAST(50 + i * 3823 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_wholesale_cost,
    CAST(CAST(150 + i * 5779 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_list_price
  FROM generate_series(301, 450) AS t(i)
) TO '${root}/store_sales/2.parquet';

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 3823 % 10007 % 36) END AS ss_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 5779 % 10009 % 40 END AS ss_customer_sk,
    1 + i * 4201 % 10007 % 8 AS ss_item_sk, 1 + i - i % 3 AS ss_ticket_number, CAST(1 + i * 3701 % 10009 % 100 AS INT) AS ss_quantity,
    CAST(CAST(100 + i * 3823 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ss_wholesale_cost,
    CAST(CAST(200 + i * 5779 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ss_sales_price,
    CAST(CAST(i * 4201 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_discount_amt,
    CAST(CAST(100 + i * 3701 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_sales_price,
    CAST(CAST(50 + i * 3823 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_wholesale_cost,
    CAST(CAST(150 + i * 5779 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ss_ext_list_price
  FROM generate_series(451, 600) AS t(i)
) TO '${root}/store_sales/3.parquet';

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 6131 % 10007 % 36) END AS cs_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 7039 % 10009 % 40 END AS cs_bill_customer_sk,
    1 + i * 6343 % 10007 % 8 AS cs_item_sk, 1 + i - i % 3 AS cs_order_number, CAST(1 + i * 5807 % 10009 % 100 AS INT) AS cs_quantity,
    CAST(CAST(100 + i * 6131 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS cs_wholesale_cost,
    CAST(CAST(200 + i * 7039 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS cs_sales_price,
    CAST(CAST(i * 6343 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_discount_amt,
    CAST(CAST(100 + i * 5807 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_sales_price,
    CAST(CAST(50 + i * 6131 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_wholesale_cost,
    CAST(CAST(150 + i * 7039 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_list_price
  FROM generate_series(1, 200) AS t(i)
) TO '${root}/catalog_sales/0.parquet';

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 6131 % 10007 % 36) END AS cs_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 7039 % 10009 % 40 END AS cs_bill_customer_sk,
    1 + i * 6343 % 10007 % 8 AS cs_item_sk, 1 + i - i % 3 AS cs_order_number, CAST(1 + i * 5807 % 10009 % 100 AS INT) AS cs_quantity,
    CAST(CAST(100 + i * 6131 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS cs_wholesale_cost,
    CAST(CAST(200 + i * 7039 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS cs_sales_price,
    CAST(CAST(i * 6343 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_discount_amt,
    CAST(CAST(100 + i * 5807 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_sales_price,
    CAST(CAST(50 + i * 6131 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_wholesale_cost,
    CAST(CAST(150 + i * 7039 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_list_price
  FROM generate_series(201, 400) AS t(i)
) TO '${root}/catalog_sales/1.parquet';

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 6131 % 10007 % 36) END AS cs_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 7039 % 10009 % 40 END AS cs_bill_customer_sk,
    1 + i * 6343 % 10007 % 8 AS cs_item_sk, 1 + i - i % 3 AS cs_order_number, CAST(1 + i * 5807 % 10009 % 100 AS INT) AS cs_quantity,
    CAST(CAST(100 + i * 6131 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS cs_wholesale_cost,
    CAST(CAST(200 + i * 7039 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS cs_sales_price,
    CAST(CAST(i * 6343 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_discount_amt,
    CAST(CAST(100 + i * 5807 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_sales_price,
    CAST(CAST(50 + i * 6131 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_wholesale_cost,
    CAST(CAST(150 + i * 7039 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS cs_ext_list_price
  FROM generate_series(401, 600) AS t(i)
) TO '${root}/catalog_sales/2.parquet';

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 4229 % 10007 % 36) END AS ws_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 2927 % 10009 % 40 END AS ws_bill_customer_sk,
    1 + i * 6203 % 10007 % 8 AS ws_item_sk, 1 + i - i % 3 AS ws_order_number, CAST(1 + i * 5861 % 10009 % 100 AS INT) AS ws_quantity,
    CAST(CAST(100 + i * 4229 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ws_wholesale_cost,
    CAST(CAST(200 + i * 2927 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ws_sales_price,
    CAST(CAST(i * 6203 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_discount_amt,
    CAST(CAST(100 + i * 5861 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_sales_price,
    CAST(CAST(50 + i * 4229 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_wholesale_cost,
    CAST(CAST(150 + i * 2927 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_list_price
  FROM generate_series(1, 200) AS t(i)
) TO '${root}/web_sales/0.parquet';

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 4229 % 10007 % 36) END AS ws_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 2927 % 10009 % 40 END AS ws_bill_customer_sk,
    1 + i * 6203 % 10007 % 8 AS ws_item_sk, 1 + i - i % 3 AS ws_order_number, CAST(1 + i * 5861 % 10009 % 100 AS INT) AS ws_quantity,
    CAST(CAST(100 + i * 4229 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ws_wholesale_cost,
    CAST(CAST(200 + i * 2927 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ws_sales_price,
    CAST(CAST(i * 6203 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_discount_amt,
    CAST(CAST(100 + i * 5861 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_sales_price,
    CAST(CAST(50 + i * 4229 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_wholesale_cost,
    CAST(CAST(150 + i * 2927 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_list_price
  FROM generate_series(201, 400) AS t(i)
) TO '${root}/web_sales/1.parquet';

COPY (
  SELECT CASE WHEN i % 37 <> 5 THEN 2451545 + 30 * (i * 4229 % 10007 % 36) END AS ws_sold_date_sk, CASE WHEN i % 43 <> 7 THEN 1 + i * 2927 % 10009 % 40 END AS ws_bill_customer_sk,
    1 + i * 6203 % 10007 % 8 AS ws_item_sk, 1 + i - i % 3 AS ws_order_number, CAST(1 + i * 5861 % 10009 % 100 AS INT) AS ws_quantity,
    CAST(CAST(100 + i * 4229 % 10009 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ws_wholesale_cost,
    CAST(CAST(200 + i * 2927 % 10007 AS DECIMAL(15, 2)) / 100 AS DECIMAL(7, 2)) AS ws_sales_price,
    CAST(CAST(i * 6203 % 10009 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_discount_amt,
    CAST(CAST(100 + i * 5861 % 10007 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_sales_price,
    CAST(CAST(50 + i * 4229 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_wholesale_cost,
    CAST(CAST(150 + i * 2927 % 9973 AS DECIMAL(15, 2)) / 10 AS DECIMAL(7, 2)) AS ws_ext_list_price
  FROM generate_series(401, 600) AS t(i)
) TO '${root}/web_sales/2.parquet';

-- Returns are of every fourth, fifth or sixth sale, and of others with the same item and order.
COPY (
  SELECT 1 + i * 4201 % 10007 % 8 AS sr_item_sk, 1 + i - i % 3 AS sr_ticket_number FROM generate_series(1, 600) AS t(i) WHERE i % 4 = 0
) TO '${root}/store_returns/0.parquet';

COPY (
  SELECT 1 + i * 6343 % 10007 % 8 AS cr_item_sk, 1 + i - i % 3 AS cr_order_number FROM generate_series(1, 600) AS t(i) WHERE i % 5 = 0
) TO '${root}/catalog_returns/0.parquet';

COPY (
  SELECT 1 + i * 6203 % 10007 % 8 AS wr_item_sk, 1 + i - i % 3 AS wr_order_number FROM generate_series(1, 600) AS t(i) WHERE i % 6 = 0
) TO '${root}/web_returns/0.parquet';
