 -- revision: 002
-- migrate:upgrade
CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN 1 = 1 THEN 2 END; END;
CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT ';');
COPY t FROM STDIN;
1	a
\.
-- migrate:upgrade transaction:false
CREATE INDEX CONCURRENTLY i ON t (a);
-- migrate:downgrade
DO $x$ BEGIN PERFORM E'\';'; END $x$; /* /* ; */ */
